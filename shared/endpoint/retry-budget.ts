import type { Clock } from "#shared/core/clock.ts";

const tokensMax = 100; // a calm hour must not pay for a storm of retries
const reservePerSecond = 3; // lets a node with little traffic retry at all

/** Keeps retries to a share of requests, so that retries do not bury a pool that is in trouble. */
export class RetryBudget {
  readonly #perRequest: number;
  readonly #clock: Clock;
  #tokens = 0;
  #reserve = reservePerSecond;
  #reserveAtMs: number;

  /** @param percent retries a hundred requests pay for; 0: none, and no reserve either */
  constructor(percent: number, clock: Clock) {
    this.#perRequest = percent / 100;
    this.#clock = clock;
    this.#reserveAtMs = clock.nowMs();
  }

  /** One more request: pays in. */
  request(): void {
    this.#tokens = Math.min(tokensMax, this.#tokens + this.#perRequest);
  }

  /** @returns whether one retry may be made, which is then paid for */
  withdraw(): boolean {
    if (this.#perRequest === 0) return false;
    if (this.#tokens >= 1) {
      this.#tokens--;
      return true;
    }
    this.#fillReserve();
    if (this.#reserve < 1) return false;
    this.#reserve--;
    return true;
  }

  #fillReserve(): void {
    const nowMs = this.#clock.nowMs();
    const filled = this.#reserve + ((nowMs - this.#reserveAtMs) / 1_000) * reservePerSecond;
    this.#reserve = Math.min(reservePerSecond, filled);
    this.#reserveAtMs = nowMs;
  }
}
