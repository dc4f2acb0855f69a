import type { Candidate, CreatePicker } from "./picker.ts";
import { isTried } from "./tried.ts";

/** One after the other, whatever they weigh. Begins at a random one, so that nodes started together don't march in step. */
export const createRoundRobin: CreatePicker = (random) => {
  let candidates: readonly Candidate[] = [];
  let next = 0;
  return {
    rebuild(list) {
      next = resume(candidates, next, list) ?? Math.floor(random() * list.length);
      candidates = list;
    },
    pick({ tried }) {
      for (let step = 0; step < candidates.length; step++) {
        const i = (next + step) % candidates.length;
        const candidate = candidates[i];
        if (!candidate || isTried(candidate, tried)) continue;
        next = (i + 1) % candidates.length;
        return i;
      }
      return -1;
    },
  };
};

/** Whose turn it was stays so over a rebuild: else every rebuild would favour the first of the list.
 * @returns place in `list` of the first, from `next` on in `old`, that is still there */
function resume(old: readonly Candidate[], next: number, list: readonly Candidate[]): number | undefined {
  const places = new Map(list.map((candidate, i) => [candidate.id, i]));
  for (let step = 0; step < old.length; step++) {
    const place = places.get(old[(next + step) % old.length]?.id ?? "");
    if (place !== undefined) return place;
  }
  return undefined;
}
