const latencyMsMin = 0.001; // what was measured must not look unmeasured

/** A moving average of the response time that believes bad news at once and good news slowly: it rises to a peak in one step
 * and decays exponentially, also while nothing is measured, so that a slow endpoint is tried again some day.
 * @see Finagle, PeakEwma.scala */
export class PeakEwma {
  readonly #decayMs: number;
  #valueMs = 0;
  #atMs = 0;

  /** @param decayMs time after which a peak has fallen to 1/e (37 %) */
  constructor(decayMs = 10_000) {
    this.#decayMs = decayMs;
  }

  observe(latencyMs: number, nowMs: number): void {
    const kept = this.#kept(nowMs);
    const mixedMs = this.#valueMs * kept + latencyMs * (1 - kept);
    this.#valueMs = Math.max(latencyMsMin, latencyMs, mixedMs);
    this.#atMs = nowMs;
  }

  /** 0 while nothing was measured. */
  valueMs(nowMs: number): number {
    return this.#valueMs * this.#kept(nowMs);
  }

  /** What time has left of the last value, 0..1. */
  #kept(nowMs: number): number {
    return Math.exp(-Math.max(0, nowMs - this.#atMs) / this.#decayMs);
  }
}
