import { createLeastCost } from "./least-cost.ts";
import type { CreatePicker } from "./picker.ts";

/** Fewest requests or connections under way, by weight. */
export const createLeastConnections: CreatePicker = () =>
  createLeastCost((candidates, _nowMs, costs) => {
    candidates.forEach((candidate, i) => (costs[i] = candidate.active / candidate.weight));
  });
