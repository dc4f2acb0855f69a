import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { candidatesOf, countPicks, equalCandidates, nextIds } from "#test/support/candidates.ts";
import { createRoundRobin } from "./round-robin.ts";

const request = { nowMs: 0, hash: 0, tried: [] };

describe("round-robin", () => {
  it("takes one after the other, whatever they weigh", () => {
    const picker = createRoundRobin(() => 0);
    const candidates = candidatesOf([1, 9, 1]);
    picker.rebuild(candidates);
    expect(nextIds(picker, candidates, 7)).toBe("a b c a b c a");
  });

  it("begins anywhere, so that nodes started together don't march in step", () => {
    const random = seededRandom(1);
    const candidates = equalCandidates(4);
    const firsts = [0, 0, 0, 0];
    for (let node = 0; node < 400; node++) {
      const picker = createRoundRobin(random);
      picker.rebuild(candidates);
      firsts[picker.pick(request)]! += 1;
    }
    for (const first of firsts) expect(Math.abs(first - 100)).toBeLessThan(45);
  });

  const [a, b, c, d] = candidatesOf([1, 1, 1, 1]) as [never, never, never, never];
  const rebuilds = [
    { name: "the same list", list: [a, b, c], ids: "c a b" },
    { name: "another order", list: [c, b, a], ids: "c b a" },
    { name: "one added at the front", list: [d, a, b, c], ids: "c d a" },
    { name: "the next one gone: the one behind it", list: [a, b], ids: "a b a" },
    { name: "the last picked gone", list: [a, c], ids: "c a c" },
    { name: "all others new: from a random one on", list: [d], ids: "d d d" },
  ];
  it.each(rebuilds)("goes on where it was after a rebuild with $name", ({ list, ids }) => {
    const picker = createRoundRobin(() => 0);
    picker.rebuild([a, b, c]);
    expect(nextIds(picker, [a, b, c], 2)).toBe("a b");
    picker.rebuild(list);
    expect(nextIds(picker, list, 3)).toBe(ids);
  });

  it("passes over tried ones and goes on behind the one it took", () => {
    const picker = createRoundRobin(() => 0);
    picker.rebuild([a, b, c]);
    expect(picker.pick({ ...request, tried: [a, b] })).toBe(2);
    expect(picker.pick(request)).toBe(0);
  });

  it("stays fair while a member comes and goes between picks", () => {
    const picker = createRoundRobin(() => 0);
    const candidates = equalCandidates(5);
    picker.rebuild(candidates);
    let picks = 0;
    const onPick = () => picker.rebuild(++picks % 2 === 0 ? candidates : candidates.slice(0, 4));
    const counts = countPicks(picker, candidates, { picks: 800, random: seededRandom(2), onPick });
    for (const count of counts.slice(0, 4)) expect(Math.abs(count - 190)).toBeLessThan(40);
  });
});
