import { describe, expect, it } from "vitest";
import { candidatesOf } from "#test/support/candidates.ts";
import { createRandom } from "./random.ts";

const request = { nowMs: 0, hash: 0, tried: [] };
const draws = [
  { random: 0, picked: "a" },
  { random: 0.499, picked: "a" },
  { random: 0.5, picked: "b" },
  { random: 0.799, picked: "b" },
  { random: 0.8, picked: "c" },
  { random: 1 - Number.EPSILON / 2, picked: "c" },
];

describe("random", () => {
  it.each(draws)("cuts chance by weights 5:3:2, $random is $picked", ({ random, picked }) => {
    const picker = createRandom(() => random);
    const candidates = candidatesOf([5, 3, 2]);
    picker.rebuild(candidates);
    expect(candidates[picker.pick(request)]!.id).toBe(picked);
  });

  it("shares out what a tried one would have had", () => {
    const candidates = candidatesOf([5, 3, 2]);
    const tried = candidates.slice(0, 1);
    for (const [random, picked] of [
      [0.59, 1],
      [0.61, 2],
    ] as const) {
      const picker = createRandom(() => random);
      picker.rebuild(candidates);
      expect(picker.pick({ ...request, tried })).toBe(picked);
    }
  });

  it("reads weights at the pick", () => {
    const candidates = candidatesOf([1, 1]);
    const picker = createRandom(() => 0.6);
    picker.rebuild(candidates);
    expect(picker.pick(request)).toBe(1);
    candidates[0]!.weight = 3;
    expect(picker.pick(request)).toBe(0);
  });
});
