/** A running timer. */
export interface Timer {
  cancel(): void;
}

/** Monotonic time: a jump of the wall clock changes nothing. Pure code is handed one; tests hand in a fake. */
export interface Clock {
  /** Milliseconds since some fixed moment, fractional, never falling. */
  nowMs(): number;
  /** Calls once after `delayMs`. A pending timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};
