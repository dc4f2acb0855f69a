import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { candidatesOf, nextIds } from "#test/support/candidates.ts";
import { createWeighted } from "./weighted.ts";

const noChance = () => 0;

describe("weighted", () => {
  it("interleaves 5:1:1 as the example of nginx does", () => {
    const picker = createWeighted(noChance);
    const candidates = candidatesOf([5, 1, 1]);
    picker.rebuild(candidates);
    expect(nextIds(picker, candidates, 14)).toBe("a a b a c a a a a b a c a a");
  });

  it("is exact over every cycle of the weights", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 }), (weights) => {
        const picker = createWeighted(noChance);
        const candidates = candidatesOf(weights);
        picker.rebuild(candidates);
        const cycle = weights.reduce((sum, weight) => sum + weight, 0);
        for (let k = 0; k < 3; k++) {
          const ids = nextIds(picker, candidates, cycle).split(" ");
          expect(candidates.map(({ id }) => ids.filter((picked) => picked === id).length)).toEqual(weights);
        }
      }),
    );
  });

  it("goes on as if nothing had happened when the same list is given again, in any order", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 20 }), (weights) => {
        const candidates = candidatesOf(weights);
        const undisturbed = createWeighted(noChance);
        const rebuilt = createWeighted(noChance);
        undisturbed.rebuild(candidates);
        rebuilt.rebuild(candidates);
        for (let k = 0; k < 200; k++) {
          expect(nextIds(rebuilt, candidates, 1)).toBe(nextIds(undisturbed, candidates, 1));
          rebuilt.rebuild(candidates);
        }
      }),
    );
  });

  it("takes those who stay on from where they were when another leaves", () => {
    const picker = createWeighted(noChance);
    const [a, b, c] = candidatesOf([2, 2, 2]) as [never, never, never];
    picker.rebuild([a, b, c]);
    expect(nextIds(picker, [a, b, c], 1)).toBe("a");
    picker.rebuild([a, b]);
    expect(nextIds(picker, [a, b], 8)).toBe("b b a b a b a b");
  });

  it("starts a newcomer level with the rest: no burst, no wait", () => {
    const picker = createWeighted(noChance);
    const candidates = candidatesOf([3, 3, 3, 3]);
    picker.rebuild(candidates.slice(0, 3));
    nextIds(picker, candidates, 100);
    picker.rebuild(candidates);
    const ids = nextIds(picker, candidates, 8).split(" ");
    expect(ids.filter((id) => id === "d")).toHaveLength(2);
  });

  it("does not starve one whose weight fell far", () => {
    const picker = createWeighted(noChance);
    const before = candidatesOf([1_000, 900]);
    picker.rebuild(before);
    nextIds(picker, before, 1);
    const after = candidatesOf([1, 1]);
    picker.rebuild(after);
    expect(nextIds(picker, after, 6).split(" ")).toContain("a");
  });

  it("follows a weight that moves between rebuilds", () => {
    const picker = createWeighted(noChance);
    const candidates = candidatesOf([1, 4]);
    picker.rebuild(candidates);
    nextIds(picker, candidates, 5);
    candidates[0]!.weight = 4;
    expect(
      nextIds(picker, candidates, 8)
        .split(" ")
        .filter((id) => id === "a"),
    ).toHaveLength(4);
  });

  it("keeps the shares of the rest while one was tried", () => {
    const picker = createWeighted(noChance);
    const candidates = candidatesOf([5, 3, 2]);
    picker.rebuild(candidates);
    const counts = [0, 0, 0];
    for (let k = 0; k < 50; k++) counts[picker.pick({ nowMs: 0, hash: 0, tried: candidates.slice(0, 1) })]! += 1;
    expect(counts).toEqual([0, 30, 20]);
  });
});
