import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { candidatesOf, countPicks, equalCandidates, nextIds } from "#test/support/candidates.ts";
import { createLeastConnections } from "./least-connections.ts";

const request = { nowMs: 0, hash: 0, tried: [] };
const cases = [
  { name: "the idle one", weights: [1, 1, 1], active: [2, 0, 1], picked: "b" },
  { name: "the one with less for its weight", weights: [1, 10], active: [1, 9], picked: "b" },
  { name: "the lighter one when the heavy one has more for its weight", weights: [1, 4], active: [1, 5], picked: "a" },
  { name: "the other when the least loaded was tried", weights: [1, 1], active: [5, 0], tried: ["b"], picked: "a" },
];

describe("least-connections", () => {
  it.each(cases)("picks $name", ({ weights, active, tried = [], picked }) => {
    const picker = createLeastConnections(() => 0);
    const candidates = candidatesOf(weights);
    candidates.forEach((candidate, i) => (candidate.active = active[i]!));
    picker.rebuild(candidates);
    const i = picker.pick({ ...request, tried: candidates.filter(({ id }) => tried.includes(id)) });
    expect(candidates[i]!.id).toBe(picked);
  });

  it("takes turns among equals, and lets the heavier of them have more turns", () => {
    const picker = createLeastConnections(() => 0);
    const candidates = candidatesOf([1, 1, 1]);
    picker.rebuild(candidates);
    expect(nextIds(picker, candidates, 6)).toBe("a b c a b c");
    candidates[0]!.active = 1;
    expect(nextIds(picker, candidates, 4)).toBe("b c b c");
    const idle = candidatesOf([5, 1, 1]);
    picker.rebuild(idle);
    expect(nextIds(picker, idle, 7).split(" ").toSorted().join("")).toBe("aaaaabc");
  });

  it("keeps the load level while requests end at random", () => {
    const random = seededRandom(3);
    const picker = createLeastConnections(random);
    const candidates = equalCandidates(20);
    picker.rebuild(candidates);
    const onPick = (picked: { active: number }) => {
      picked.active++;
      const loads = candidates.map(({ active }) => active);
      expect(Math.max(...loads) - Math.min(...loads)).toBeLessThanOrEqual(6);
      const ended = candidates[Math.floor(random() * candidates.length)]!;
      if (ended.active > 0) ended.active--;
    };
    countPicks(picker, candidates, { picks: 5_000, random, onPick });
  });
});
