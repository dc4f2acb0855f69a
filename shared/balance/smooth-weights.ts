import type { Candidate } from "./picker.ts";

/** Smooth weighted round robin: at every turn each takes its weight, the richest is chosen and pays the sum of all.
 * Over one cycle (the sum of weights, in turns) each is chosen exactly as often as its weight says, as evenly as can be.
 * @see nginx, ngx_http_upstream_round_robin.c, "smooth weighted round-robin balancing" */
export class SmoothWeights {
  #candidates: readonly Candidate[] = [];
  /** What nginx calls current weight: negative for those who are ahead of their share. */
  #current = new Float64Array(0);

  /** Who stays keeps its current weight, so that frequent rebuilds don't favour the heaviest or the first. */
  rebuild(candidates: readonly Candidate[]): void {
    const kept = new Map(this.#candidates.map((candidate, i) => [candidate.id, this.#current[i] ?? 0]));
    const total = candidates.reduce((sum, candidate) => sum + candidate.weight, 0);
    this.#current = Float64Array.from(candidates, (candidate) => {
      const current = kept.get(candidate.id) ?? 0;
      // A debt run up under a former weight must not starve anyone under a far smaller one.
      return Math.max(-total, Math.min(2 * total, current));
    });
    this.#candidates = candidates;
  }

  /** The next among those marked 1 in `open`, or -1 if none is. The others neither gain nor pay. */
  next(open: Uint8Array): number {
    let best = -1;
    let bestCurrent = 0;
    let total = 0;
    for (let i = 0; i < this.#candidates.length; i++) {
      const weight = open[i] === 1 ? this.#candidates[i]?.weight : undefined;
      if (weight === undefined) continue;
      const current = (this.#current[i] ?? 0) + weight;
      this.#current[i] = current;
      total += weight;
      if (best !== -1 && current <= bestCurrent) continue;
      best = i;
      bestCurrent = current;
    }
    if (best !== -1) this.#current[best] = bestCurrent - total;
    return best;
  }
}
