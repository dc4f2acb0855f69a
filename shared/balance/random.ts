import { draw } from "./draw.ts";
import type { Candidate, CreatePicker } from "./picker.ts";

/** By weight, with no memory. */
export const createRandom: CreatePicker = (random) => {
  let candidates: readonly Candidate[] = [];
  return {
    rebuild(list) {
      candidates = list;
    },
    pick: ({ tried }) => draw(candidates, tried, -1, random),
  };
};
