import type { Candidate, Picker } from "#shared/balance/picker.ts";
import type { Random } from "#shared/core/random.ts";

/** A candidate whose every live value a test may set. */
export class FakeCandidate implements Candidate {
  readonly id: string;
  weight: number;
  active = 0;
  /** 0: not measured. */
  measuredMs = 0;

  constructor(id: string, weight = 1) {
    this.id = id;
    this.weight = weight;
  }

  latencyMs(): number {
    return this.measuredMs;
  }
}

/** One candidate a weight: "a", "b", "c" ... */
export function candidatesOf(weights: readonly number[]): FakeCandidate[] {
  return weights.map((weight, i) => new FakeCandidate(String.fromCharCode(97 + i), weight));
}

/** Candidates of weight 1 with the addresses of a pool. */
export function equalCandidates(count: number): FakeCandidate[] {
  return Array.from({ length: count }, (_, i) => new FakeCandidate(`10.0.${i >> 8}.${i & 255}:9000`));
}

/** 32 random bits: a new client. */
export function anyHash(random: Random): number {
  return Math.floor(random() * 4_294_967_296);
}

/** How often each is picked when every pick is a new client. */
export function countPicks(
  picker: Picker,
  candidates: readonly FakeCandidate[],
  options: { readonly picks: number; readonly random: Random; onPick?(candidate: FakeCandidate): void },
): number[] {
  const counts = candidates.map(() => 0);
  for (let k = 0; k < options.picks; k++) {
    const i = picker.pick({ nowMs: k, hash: anyHash(options.random), tried: [] });
    counts[i] = (counts[i] ?? 0) + 1;
    const candidate = candidates[i];
    if (candidate) options.onPick?.(candidate);
  }
  return counts;
}

/** Ids of the next picks in a row. */
export function nextIds(picker: Picker, candidates: readonly Candidate[], picks: number): string {
  const ids: string[] = [];
  for (let k = 0; k < picks; k++) ids.push(candidates[picker.pick({ nowMs: 0, hash: 0, tried: [] })]?.id ?? "-");
  return ids.join(" ");
}
