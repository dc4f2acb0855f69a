import { draw } from "./draw.ts";
import type { Candidate, CreatePicker } from "./picker.ts";

/** Draws two by weight and takes the one with less under way for its weight; the first drawn if they are equal.
 * Almost as even as least-connections, yet nodes that cannot see each other's load don't all rush to the same one.
 * @see Mitzenmacher, The Power of Two Choices in Randomized Load Balancing, 2001 */
export const createPowerOfTwo: CreatePicker = (random) => {
  let candidates: readonly Candidate[] = [];
  return {
    rebuild(list) {
      candidates = list;
    },
    pick({ tried }) {
      const one = draw(candidates, tried, -1, random);
      const other = one === -1 ? -1 : draw(candidates, tried, one, random);
      return load(candidates[other]) < load(candidates[one]) ? other : one;
    },
  };
};

function load(candidate: Candidate | undefined): number {
  return candidate ? candidate.active / candidate.weight : Number.POSITIVE_INFINITY;
}
