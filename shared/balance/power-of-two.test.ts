import { describe, expect, it } from "vitest";
import type { CreatePicker } from "./picker.ts";
import { seededRandom } from "#shared/core/random.ts";
import { candidatesOf, countPicks, equalCandidates } from "#test/support/candidates.ts";
import { createPowerOfTwo } from "./power-of-two.ts";
import { createRandom } from "./random.ts";

const request = { nowMs: 0, hash: 0, tried: [] };

/** The most that one of 1,000 has when 1,000 requests have come and none has ended. */
function loadMax(create: CreatePicker, seed: number): number {
  const random = seededRandom(seed);
  const picker = create(random);
  const candidates = equalCandidates(1_000);
  picker.rebuild(candidates);
  countPicks(picker, candidates, { picks: 1_000, random, onPick: (picked) => void picked.active++ });
  return Math.max(...candidates.map(({ active }) => active));
}

describe("power-of-two", () => {
  it("takes the less loaded of two", () => {
    const picker = createPowerOfTwo(seededRandom(1));
    const candidates = candidatesOf([1, 1]);
    candidates[0]!.active = 1;
    picker.rebuild(candidates);
    for (let k = 0; k < 20; k++) expect(picker.pick(request)).toBe(1);
  });

  it("counts load by weight", () => {
    const picker = createPowerOfTwo(seededRandom(2));
    const candidates = candidatesOf([1, 10]);
    Object.assign(candidates[0]!, { active: 1 });
    Object.assign(candidates[1]!, { active: 9 });
    picker.rebuild(candidates);
    for (let k = 0; k < 20; k++) expect(picker.pick(request)).toBe(1);
  });

  it("never takes the most loaded of all, for two different ones are drawn", () => {
    const picker = createPowerOfTwo(seededRandom(3));
    const candidates = candidatesOf([1, 1, 1]);
    candidates[1]!.active = 9;
    picker.rebuild(candidates);
    for (let k = 0; k < 200; k++) expect(picker.pick(request)).not.toBe(1);
  });

  it("takes the last untried one, however loaded", () => {
    const picker = createPowerOfTwo(seededRandom(4));
    const candidates = candidatesOf([1, 1, 1]);
    candidates[1]!.active = 9;
    picker.rebuild(candidates);
    expect(picker.pick({ ...request, tried: [candidates[0]!, candidates[2]!] })).toBe(1);
  });

  it("piles far less on the fullest than random does", () => {
    for (const seed of [1, 2, 3]) {
      // In theory about log2 log2 1,000 ≈ 3.3 against log 1,000 / log log 1,000 and more.
      expect(loadMax(createPowerOfTwo, seed)).toBeLessThanOrEqual(4);
      expect(loadMax(createRandom, seed)).toBeGreaterThan(4);
    }
  });
});
