import type { Clock } from "#shared/core/clock.ts";

/** Connections that wait for a server that is full: first come, first served, few, and not for long. */
export class WaitingRoom {
  readonly #waiting = new Set<(isFree: boolean) => void>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#waiting.size;
  }

  /** @returns true once it is this one's turn to try; false at once if the room is full, after the time, or once `signal` aborts */
  wait(lengthMax: number, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#waiting.size >= lengthMax || signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const leave = (isFree: boolean) => {
        timer.cancel();
        signal.removeEventListener("abort", onAbort);
        this.#waiting.delete(leave);
        resolve(isFree);
      };
      const onAbort = () => leave(false);
      const timer = this.#clock.after(timeoutMs, onAbort);
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(leave);
    });
  }

  /** So many places are free: lets as many try. */
  free(places: number): void {
    for (const leave of [...this.#waiting].slice(0, places)) leave(true);
  }
}
