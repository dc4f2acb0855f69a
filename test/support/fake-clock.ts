import type { Clock, Timer } from "#shared/core/clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Time that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();

  nowMs(): number {
    return this.#nowMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer: Pending = { dueMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, callback };
    this.#pending.add(timer);
    return { cancel: () => void this.#pending.delete(timer) };
  }

  /** Timers that wait. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Moves on; each timer fires at its moment, and what it set off is awaited before the next. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let timer = this.#nextDue(endMs); timer; timer = this.#nextDue(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
      await this.#fire(timer);
    }
    this.#nowMs = endMs;
  }

  /** As when the event loop is blocked: time passes while nothing fires, then every overdue timer does, late. */
  async stall(ms: number): Promise<void> {
    this.#nowMs += ms;
    const endMs = this.#nowMs;
    for (let timer = this.#nextDue(endMs); timer; timer = this.#nextDue(endMs)) await this.#fire(timer);
    await settle();
  }

  async #fire(timer: Pending): Promise<void> {
    this.#pending.delete(timer);
    timer.callback();
    await settle();
  }

  #nextDue(endMs: number): Pending | undefined {
    let next: Pending | undefined;
    for (const timer of this.#pending) {
      if (timer.dueMs > endMs) continue;
      if (!next || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) next = timer;
    }
    return next;
  }
}

/** Lets every promise that can settle without time passing do so. */
function settle(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
