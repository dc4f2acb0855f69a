const stepsPerDoubling = 8; // a step is 9 %: nearer than times repeat
const shortestMs = 0.1;
const steps = 20 * stepsPerDoubling; // to 105 s, longer than any request
const samplesMin = 100; // fewer say nothing of a p95
const samplesMax = 2_000; // then all count half, so that what is long ago fades

/** How long a pool's servers took to the first byte, as far as its percentiles. Of bounded size. */
export class AnswerTimes {
  readonly #counts = new Float64Array(steps);
  #total = 0;

  observe(tookMs: number): void {
    const step = Math.ceil(Math.log2(Math.max(tookMs, shortestMs) / shortestMs) * stepsPerDoubling);
    const at = Math.min(step, steps - 1);
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#total++;
    if (this.#total >= samplesMax) this.#fade();
  }

  /** At least as long as that share of the answers took, at most 9 % longer; undefined while too few are known. */
  percentileMs(percentile: number): number | undefined {
    if (this.#total < samplesMin) return undefined;
    const wanted = (this.#total * percentile) / 100;
    let seen = 0;
    let step = 0;
    for (; step < steps - 1; step++) {
      seen += this.#counts[step] ?? 0;
      if (seen >= wanted) break;
    }
    return shortestMs * 2 ** (step / stepsPerDoubling);
  }

  #fade(): void {
    this.#total = 0;
    for (let i = 0; i < steps; i++) this.#total += this.#counts[i] = (this.#counts[i] ?? 0) / 2;
  }
}
