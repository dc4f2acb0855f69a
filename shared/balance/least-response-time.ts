import { createLeastCost } from "./least-cost.ts";
import type { Candidate, CreatePicker } from "./picker.ts";

const trialIntervalMs = 1_000; // one that fails at once is never measured: it must not draw every request

/** Shortest expected wait: peak EWMA of the response time × (active + 1) / weight.
 * An unmeasured candidate is tried before all others, once, and again each second while it is idle. Beyond that it counts
 * as an average one, so it gets its share until its first answer comes, and no flood. While none is measured only what is
 * under way counts. */
export const createLeastResponseTime: CreatePicker = () => {
  const trialsMs = new WeakMap<Candidate, number>();
  let candidates: readonly Candidate[] = [];

  const isDue = (candidate: Candidate, nowMs: number) =>
    candidate.active === 0 && nowMs - (trialsMs.get(candidate) ?? Number.NEGATIVE_INFINITY) >= trialIntervalMs;

  const fillCosts = (list: readonly Candidate[], nowMs: number, costs: Float64Array) => {
    const averageMs = fillLatencies(list, nowMs, costs);
    list.forEach((candidate, i) => {
      const latencyMs = costs[i] ?? 0;
      if (averageMs === 0) costs[i] = candidate.active / candidate.weight;
      else if (latencyMs > 0 || !isDue(candidate, nowMs))
        costs[i] = ((latencyMs || averageMs) * (candidate.active + 1)) / candidate.weight;
    });
  };

  const least = createLeastCost(fillCosts);
  return {
    rebuild(list) {
      candidates = list;
      least.rebuild(list);
    },
    pick(request) {
      const i = least.pick(request);
      const picked = candidates[i];
      if (picked && picked.latencyMs(request.nowMs) === 0) trialsMs.set(picked, request.nowMs);
      return i;
    },
  };
};

/** @returns the average of those that were measured; 0 if none was */
function fillLatencies(candidates: readonly Candidate[], nowMs: number, latenciesMs: Float64Array): number {
  let sumMs = 0;
  let measured = 0;
  candidates.forEach((candidate, i) => {
    const latencyMs = candidate.latencyMs(nowMs);
    latenciesMs[i] = latencyMs;
    sumMs += latencyMs;
    if (latencyMs > 0) measured++;
  });
  return measured > 0 ? sumMs / measured : 0;
}
