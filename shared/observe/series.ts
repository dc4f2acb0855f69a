/** One series of a counter, for hot paths: to count costs an addition. */
export class CounterSeries {
  /** Counted since it was last shown. */
  #pending = 0;

  add(by = 1): void {
    this.#pending += by;
  }

  /** What was counted since the last call. */
  take(): number {
    const taken = this.#pending;
    this.#pending = 0;
    return taken;
  }
}

/** One series of a histogram. */
export class HistogramSeries {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly #bounds: readonly number[];
  /** By bucket; the last one is for what is above all bounds. */
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Readonly<Record<string, string | number>>, bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] as number)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += value;
  }

  /** As prom-client renders a histogram. */
  *values(name: string): Iterable<SeriesValue> {
    let count = 0;
    for (const [i, inBucket] of this.#counts.entries()) {
      count += inBucket;
      const le = this.#bounds[i] ?? "+Inf";
      yield { metricName: `${name}_bucket`, labels: { le, ...this.labels }, value: count };
    }
    yield { metricName: `${name}_sum`, labels: this.labels, value: this.#sum };
    yield { metricName: `${name}_count`, labels: this.labels, value: count };
  }
}

export interface SeriesValue {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
