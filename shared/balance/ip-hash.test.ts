import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { anyHash, equalCandidates } from "#test/support/candidates.ts";
import type { FakeCandidate } from "#test/support/candidates.ts";
import { createIpHash } from "./ip-hash.ts";

const random = seededRandom(1);
const hashes = Array.from({ length: 2_000 }, () => anyHash(random));

function idsOf(candidates: readonly FakeCandidate[], tried: readonly FakeCandidate[] = []): string[] {
  const picker = createIpHash(() => 0);
  picker.rebuild(candidates);
  return hashes.map((hash) => candidates[picker.pick({ nowMs: 0, hash, tried })]!.id);
}

describe("ip-hash", () => {
  it("sends a hash to the same candidate whatever the order of the list, on every node", () => {
    const candidates = equalCandidates(12);
    expect(idsOf(candidates.toReversed())).toEqual(idsOf(candidates));
  });

  it("pays no heed to load", () => {
    const busy = equalCandidates(5);
    for (const [i, candidate] of busy.entries()) Object.assign(candidate, { active: i * 100, measuredMs: i * 50 });
    expect(idsOf(busy)).toEqual(idsOf(equalCandidates(5)));
  });

  it("keeps every client of the others where it was when one is tried, and spreads its own", () => {
    const candidates = equalCandidates(10);
    const tried = candidates[3]!;
    const before = idsOf(candidates);
    const after = idsOf(candidates, [tried]);
    const own = after.filter((_, i) => before[i] === tried.id);
    expect(after.filter((id, i) => before[i] !== tried.id && id !== before[i])).toEqual([]);
    expect(new Set(own).size).toBe(9);
  });

  it("fails a client over to the same candidate each time", () => {
    const candidates = equalCandidates(10);
    expect(idsOf(candidates, candidates.slice(0, 2))).toEqual(idsOf(candidates.toReversed(), candidates.slice(0, 2)));
  });

  it("keeps nearly every client in its place when the pool grows from 40 to 41", () => {
    const [before, after] = [idsOf(equalCandidates(40)), idsOf(equalCandidates(41))];
    const added = equalCandidates(41)[40]!.id;
    const moved = after.filter((id, i) => id !== before[i] && id !== added);
    expect(moved.length / after.length).toBeLessThan(0.01);
  });

  it("decides after a rebuild as if it had never known another list", () => {
    const picker = createIpHash(() => 0);
    const pick = (hash: number) => picker.pick({ nowMs: 0, hash, tried: [] });
    const candidates = equalCandidates(9);
    picker.rebuild(candidates);
    hashes.map(pick);
    for (const list of [candidates.toReversed(), candidates.slice(3), candidates]) {
      picker.rebuild(list);
      expect(hashes.map((hash) => list[pick(hash)]!.id)).toEqual(idsOf(list));
    }
  });

  it("takes a hash for 32 bits, signed or not", () => {
    const candidates = equalCandidates(7);
    const picker = createIpHash(() => 0);
    picker.rebuild(candidates);
    const pick = (hash: number) => picker.pick({ nowMs: 0, hash, tried: [] });
    expect(pick(-1)).toBe(pick(0xffff_ffff));
  });
});
