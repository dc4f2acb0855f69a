import type { Clock, Timer } from "#shared/core/clock.ts";

/** Calls once when nothing has touched it for a while. Touching is cheap: one timer, armed anew only when it fires. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #limitMs: number;
  readonly #onIdle: () => void;
  #touchedMs: number;
  #timer: Timer | undefined;

  constructor(clock: Clock, limitMs: number, onIdle: () => void) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#onIdle = onIdle;
    this.#touchedMs = clock.nowMs();
    this.#timer = clock.after(limitMs, () => this.#fire());
  }

  touch(): void {
    this.#touchedMs = this.#clock.nowMs();
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fire(): void {
    if (!this.#timer) return;
    const leftMs = this.#touchedMs + this.#limitMs - this.#clock.nowMs();
    if (leftMs > 0.5) {
      this.#timer = this.#clock.after(leftMs, () => this.#fire());
      return;
    }
    this.#timer = undefined;
    this.#onIdle();
  }
}
