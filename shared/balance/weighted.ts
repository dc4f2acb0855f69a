import type { Candidate, CreatePicker } from "./picker.ts";
import { SmoothWeights } from "./smooth-weights.ts";
import { isTried } from "./tried.ts";

/** Smooth weighted round robin: exact over one cycle of the weights, never in bursts. */
export const createWeighted: CreatePicker = () => {
  const smooth = new SmoothWeights();
  let candidates: readonly Candidate[] = [];
  let open = new Uint8Array(0);
  return {
    rebuild(list) {
      smooth.rebuild(list);
      candidates = list;
      open = new Uint8Array(list.length);
    },
    pick({ tried }) {
      open.fill(1);
      if (tried.length > 0) candidates.forEach((candidate, i) => (open[i] = isTried(candidate, tried) ? 0 : 1));
      return smooth.next(open);
    },
  };
};
