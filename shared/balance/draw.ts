import type { Random } from "#shared/core/random.ts";
import type { Candidate } from "./picker.ts";
import { isTried } from "./tried.ts";

/** Draws one untried candidate by weight. Weights are read at the draw: slow start moves them between rebuilds.
 * @param without index that may not be drawn, or -1
 * @returns its index, or -1 if there is none */
export function draw(
  candidates: readonly Candidate[],
  tried: readonly Candidate[],
  without: number,
  random: Random,
): number {
  let total = 0;
  for (let i = 0; i < candidates.length; i++) total += openWeight(candidates, i, tried, without);
  let left = random() * total;
  let last = -1; // Rounding may leave a crumb behind the last one.
  for (let i = 0; i < candidates.length; i++) {
    const weight = openWeight(candidates, i, tried, without);
    if (weight === 0) continue;
    if (left < weight) return i;
    left -= weight;
    last = i;
  }
  return last;
}

function openWeight(candidates: readonly Candidate[], i: number, tried: readonly Candidate[], without: number): number {
  const candidate = candidates[i];
  return !candidate || i === without || isTried(candidate, tried) ? 0 : candidate.weight;
}
