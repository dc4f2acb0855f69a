import { describe, expect, it } from "vitest";
import { balanceNames } from "#shared/config/schema/common.ts";
import type { SlotCandidate } from "./model.ts";
import { dealSlots, interleave } from "./slots.ts";

const candidate = (id: number, more: Partial<SlotCandidate> = {}): SlotCandidate => ({
  id: `10.0.0.${id}:80`,
  weight: 1,
  active: 0,
  latencyMs: 0,
  ...more,
});
const countsOf = (slots: readonly number[]) => {
  const counts = new Map<number, number>();
  for (const slot of slots) counts.set(slot, (counts.get(slot) ?? 0) + 1);
  return [...counts].toSorted(([a], [b]) => a - b).map(([, count]) => count);
};

describe("interleaving", () => {
  const cases = [
    { name: "equal weights take turns", weights: [7, 7, 7], slots: [0, 1, 2] },
    { name: "5:1:1 comes never in bursts, as nginx has it", weights: [5, 1, 1], slots: [0, 0, 1, 0, 2, 0, 0] },
    { name: "a common divisor makes no cycle longer", weights: [500, 100, 100], slots: [0, 0, 1, 0, 2, 0, 0] },
    { name: "one alone has one slot", weights: [3], slots: [0] },
  ];
  it.each(cases)("$name", ({ weights, slots }) => {
    expect(interleave(weights)).toEqual(slots);
  });

  it("rounds a cycle that would be too long", () => {
    const slots = interleave([1_000, 999, 1]);
    expect(slots).toHaveLength(48);
    expect(countsOf(slots).slice(0, 2)).toEqual([24, 24]);
  });
});

describe.each(balanceNames)("slots by %s", (balance) => {
  it("are none for nobody", () => {
    expect(dealSlots(balance, []).slots).toEqual([]);
  });

  it("name everybody who is there, and nobody else", () => {
    const { slots } = dealSlots(
      balance,
      [1, 2, 3, 4].map((id) => candidate(id)),
    );
    expect(new Set(slots)).toEqual(new Set([0, 1, 2, 3]));
  });

  it("stay a bounded number for as many servers as a pool may have", () => {
    const many = Array.from({ length: 10_000 }, (_, i) => candidate(i, { weight: 1 + (i % 7) }));
    expect(dealSlots(balance, many).slots.length).toBeLessThanOrEqual(65_521);
  });
});

describe("slots", () => {
  it("by ip-hash stay with hardly anybody moved when one goes", () => {
    const all = [1, 2, 3, 4, 5].map((id) => candidate(id));
    const before = dealSlots("ip-hash", all).slots;
    const after = dealSlots("ip-hash", all.slice(0, 4)).slots;
    const moved = before.filter((server, slot) => server !== 4 && after[slot] !== server).length;
    expect(before).toHaveLength(1_021);
    expect(moved / before.length).toBeLessThan(0.1);
  });

  it("by ip-hash do not depend on the order of the list", () => {
    const [one, two] = [candidate(1), candidate(2)];
    const ids = (list: SlotCandidate[]) => dealSlots("ip-hash", list).slots.map((slot) => list[slot]?.id);
    expect(ids([one, two])).toEqual(ids([two, one]));
  });

  it("by least-connections go to whom has fewest for its weight", () => {
    const { slots } = dealSlots("least-connections", [candidate(1, { active: 99 }), candidate(2, { active: 9 })]);
    const [busy = 0, idle = 0] = countsOf(slots);
    expect(idle / busy).toBeGreaterThan(8);
  });

  it("by least-response-time go to whom is quickest, and an unmeasured one counts as an average one", () => {
    const [a, b, c] = [candidate(1, { latencyMs: 30 }), candidate(2, { latencyMs: 10 }), candidate(3)];
    const [slow = 0, fast = 0, unknown = 0] = countsOf(dealSlots("least-response-time", [a, b, c]).slots);
    expect(fast).toBeGreaterThan(unknown);
    expect(unknown).toBeGreaterThan(slow);
  });
});
