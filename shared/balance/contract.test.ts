import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { balanceNames } from "#shared/config/schema/common.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";
import { seededRandom } from "#shared/core/random.ts";
import { FakeCandidate, anyHash, candidatesOf, countPicks, equalCandidates } from "#test/support/candidates.ts";
import { createPicker, pickers } from "./registry.ts";

const request = { nowMs: 0, hash: 0x1234_5678, tried: [] };

/** What 10,000 picks of weights 5:3:2 come to, and how far off a pick may be: little, or 5 standard deviations of chance. */
function sharesOf(name: BalanceName): { picks: readonly number[]; off: number } {
  if (name === "round-robin") return { picks: [3_333, 3_333, 3_333], off: 1 };
  const turns: readonly BalanceName[] = ["weighted", "least-connections", "least-response-time"];
  return { picks: [5_000, 3_000, 2_000], off: turns.includes(name) ? 3 : 250 };
}

function describePickerContract(name: BalanceName): void {
  describe(name, () => {
    it("picks nobody before it was given anyone, and nobody from an empty list", () => {
      const picker = createPicker(name, seededRandom(1));
      expect(picker.pick(request)).toBe(-1);
      picker.rebuild(candidatesOf([1, 1]));
      picker.rebuild([]);
      expect(picker.pick(request)).toBe(-1);
    });

    it("picks the only one, every time, until it was tried", () => {
      const picker = createPicker(name, seededRandom(1));
      const candidates = candidatesOf([7]);
      picker.rebuild(candidates);
      for (let k = 0; k < 10; k++) expect(picker.pick({ ...request, hash: k })).toBe(0);
      expect(picker.pick({ ...request, tried: candidates })).toBe(-1);
    });

    it("tries each one once, then says that none is left", () => {
      const picker = createPicker(name, seededRandom(2));
      const candidates = candidatesOf([5, 1, 1_000, 2, 3]);
      picker.rebuild(candidates);
      for (let round = 0; round < 20; round++) {
        const tried: FakeCandidate[] = [];
        for (let attempt = 0; attempt < candidates.length; attempt++) {
          const picked = candidates[picker.pick({ ...request, hash: round * 7_919, tried })];
          expect(tried).not.toContain(picked);
          if (picked) tried.push(picked);
        }
        expect(tried).toHaveLength(candidates.length);
        expect(picker.pick({ ...request, tried })).toBe(-1);
      }
    });

    it("knows a tried one again after a reload made its object anew", () => {
      const picker = createPicker(name, seededRandom(3));
      picker.rebuild(candidatesOf([1, 1]));
      for (let k = 0; k < 10; k++) expect(picker.pick({ ...request, hash: k, tried: candidatesOf([1]) })).toBe(1);
    });

    it("keeps to the list last given", () => {
      const picker = createPicker(name, seededRandom(4));
      picker.rebuild(candidatesOf([1, 1, 1, 1]));
      countPicks(picker, candidatesOf([1, 1, 1, 1]), { picks: 7, random: seededRandom(5) });
      const two = candidatesOf([1, 1]);
      picker.rebuild(two);
      const counts = countPicks(picker, two, { picks: 100, random: seededRandom(6) });
      expect(counts).toHaveLength(2);
      expect(Math.min(...counts)).toBeGreaterThan(20);
    });

    it("is fair to equals", () => {
      const picker = createPicker(name, seededRandom(7));
      const candidates = equalCandidates(10);
      picker.rebuild(candidates);
      const counts = countPicks(picker, candidates, { picks: 20_000, random: seededRandom(8) });
      // 5 standard deviations of a fair draw of 20,000 among 10.
      for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(212);
    });

    it("is fair to equals though the list is rebuilt before every other pick", () => {
      const picker = createPicker(name, seededRandom(9));
      const candidates = equalCandidates(5);
      const onPick = () => picker.rebuild(candidates);
      onPick();
      const counts = countPicks(picker, candidates, { picks: 200, random: seededRandom(10), onPick });
      for (const count of counts) expect(Math.abs(count - 40)).toBeLessThan(29);
    });

    it("shares by weight, 5:3:2, if it uses weight, whether or not requests pile up", () => {
      for (const pileUp of [false, true]) {
        const picker = createPicker(name, seededRandom(11));
        const candidates = candidatesOf([5, 3, 2]);
        picker.rebuild(candidates);
        const onPick = (candidate: FakeCandidate) => void (candidate.active += pileUp ? 1 : 0);
        const counts = countPicks(picker, candidates, { picks: 10_000, random: seededRandom(12), onPick });
        const { picks, off } = sharesOf(name);
        for (const [i, count] of counts.entries())
          expect(Math.abs(count - picks[i]!), counts.join(":")).toBeLessThanOrEqual(off);
      }
    });

    it("decides the same under the same seed", () => {
      const run = () => {
        const random = seededRandom(13);
        const picker = createPicker(name, random);
        const candidates = candidatesOf([3, 2, 1]);
        picker.rebuild(candidates);
        const onPick = (candidate: FakeCandidate) => void (candidate.active += random() < 0.5 ? 1 : 0);
        return countPicks(picker, candidates, { picks: 200, random, onPick });
      };
      expect(run()).toEqual(run());
    });

    it("picks an untried one of the list whenever there is one, whatever happened before", () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40 }), fc.integer(), (steps, seed) => {
          const random = seededRandom(seed);
          const picker = createPicker(name, random);
          let list: FakeCandidate[] = [];
          for (const { members, tried, nowMs, rebuild } of steps) {
            if (rebuild) {
              list = members;
              picker.rebuild(list);
            }
            const i = picker.pick({ nowMs, hash: anyHash(random), tried });
            const isOpen = (candidate: FakeCandidate) => tried.every(({ id }) => id !== candidate.id);
            expect(list.some(isOpen) ? isOpen(list[i]!) : i === -1).toBe(true);
          }
        }),
        { numRuns: name === "ip-hash" ? 20 : 100 },
      );
    });
  });
}

const candidate = fc
  .record({
    id: fc.constantFrom("a", "b", "c", "d", "e", "f"),
    weight: fc.integer({ min: 1, max: 1_000 }),
    active: fc.nat(50),
    measuredMs: fc.double({ min: 0, max: 30_000, noNaN: true }),
  })
  .map(({ id, weight, ...live }) => Object.assign(new FakeCandidate(id, weight), live));
const members = fc.uniqueArray(candidate, { selector: ({ id }) => id, maxLength: 6 });
const step = fc.record({ members, tried: members, nowMs: fc.nat(60_000), rebuild: fc.boolean() });

describe("every balancing algorithm", () => {
  it("has its picker in the registry", () => {
    expect(Object.keys(pickers).toSorted()).toEqual(balanceNames.toSorted());
  });
  for (const name of balanceNames) describePickerContract(name);
});
