import type { Candidate, Picker } from "./picker.ts";
import { SmoothWeights } from "./smooth-weights.ts";
import { isTried } from "./tried.ts";

/** Writes what each candidate costs now, finite, one number a candidate. */
export type Costs = (candidates: readonly Candidate[], nowMs: number, costs: Float64Array) => void;

/** Picks whoever costs least. Equals, as all are when nothing is under way, take turns by smooth weights. */
export function createLeastCost(fillCosts: Costs): Picker {
  const smooth = new SmoothWeights();
  let candidates: readonly Candidate[] = [];
  let costs = new Float64Array(0);
  let open = new Uint8Array(0);
  return {
    rebuild(list) {
      smooth.rebuild(list);
      candidates = list;
      costs = new Float64Array(list.length);
      open = new Uint8Array(list.length);
    },
    pick({ nowMs, tried }) {
      fillCosts(candidates, nowMs, costs);
      if (tried.length > 0) {
        candidates.forEach((candidate, i) => {
          if (isTried(candidate, tried)) costs[i] = Number.POSITIVE_INFINITY;
        });
      }
      let least = Number.POSITIVE_INFINITY;
      for (const cost of costs) if (cost < least) least = cost;
      if (least === Number.POSITIVE_INFINITY) return -1;
      for (let i = 0; i < costs.length; i++) open[i] = costs[i] === least ? 1 : 0;
      return smooth.next(open);
    },
  };
}
