const bucketsPerDouble = 16; // each 4.4 % wider than the one before: p99 is told within that
const doublesMax = 22; // 0.01 ms to 42 s; the time limit of a request is far below that
const smallestMs = 0.01;
const bucketsMax = bucketsPerDouble * doublesMax; // 2.8 KB a histogram, however many values it has seen

/** How long things took, in buckets of equal ratio. Bounded, and cheap to add to. */
export class Histogram {
  readonly #buckets = new Float64Array(bucketsMax);
  #count = 0;
  #sumMs = 0;
  #slowestMs = 0;

  add(tookMs: number): void {
    this.#count++;
    this.#sumMs += tookMs;
    if (tookMs > this.#slowestMs) this.#slowestMs = tookMs;
    const bucket = Math.ceil(Math.log2(Math.max(tookMs, smallestMs) / smallestMs) * bucketsPerDouble);
    const at = Math.min(bucket, bucketsMax - 1);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
  }

  get count(): number {
    return this.#count;
  }

  get slowestMs(): number {
    return this.#slowestMs;
  }

  /** 0 where nothing was added. */
  get meanMs(): number {
    return this.#count === 0 ? 0 : this.#sumMs / this.#count;
  }

  /** The time within which that share of all was done: at most one bucket too high, never above the slowest.
   * @param share 0.5 for the median, 0.99 ...
   * @returns 0 where nothing was added */
  quantileMs(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.#count));
    let seen = 0;
    for (const [i, count] of this.#buckets.entries()) {
      seen += count;
      if (seen >= wanted) return Math.min(smallestMs * 2 ** (i / bucketsPerDouble), this.#slowestMs);
    }
    return 0;
  }
}
