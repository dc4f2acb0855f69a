import type { Clock, Timer } from "#shared/core/clock.ts";

/** The end of what is under way at an endpoint that drains. */
export class Drain {
  readonly #clock: Clock;
  readonly #onEmpty: () => void;
  readonly #cutListeners = new Set<() => void>();
  #cutting: Timer | undefined;
  #isEmptyTold = false;

  /** @param onEmpty nothing is left: called once for each drain */
  constructor(clock: Clock, onEmpty: () => void) {
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }

  /** Calls when what is left is to end: the service hangs its connections here. */
  onCut(listener: () => void): void {
    this.#cutListeners.add(listener);
  }

  cutAfter(delayMs: number): void {
    this.#cutting = this.#clock.after(delayMs, () => {
      for (const listener of this.#cutListeners) listener();
    });
  }

  /** What is left may go on. */
  cancel(): void {
    this.#cutting?.cancel();
  }

  look(isDraining: boolean, active: number): void {
    if (!isDraining) this.#isEmptyTold = false;
    else if (!this.#isEmptyTold && active === 0) {
      this.#isEmptyTold = true;
      this.#onEmpty();
    }
  }
}
