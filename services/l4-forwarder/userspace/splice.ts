import type { Socket } from "node:net";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Reason } from "#shared/core/error.ts";
import { reset } from "./reset.ts";

export interface SpliceOptions {
  /** Both sockets allow half-open, and somebody listens to their 'error'. Bytes that they hold already are carried first. */
  readonly downstream: Socket;
  readonly upstream: Socket;
  readonly clock: Clock;
  readonly idleMs: number;
  readonly halfClosedMs: number;
  /** Grows as bytes are carried. */
  readonly traffic: { bytesUp: number; bytesDown: number };
  /** The server has said its first byte. */
  onAnswer?(): void;
  /** The server has ended without one, and the client had not. */
  onSilentEnd?(): void;
}

/** Joins two sockets: bytes, ends and resets of one side reach the other. What a slow reader lets pile up is bounded by the
 * sockets' high-water marks: at most 64 KiB and one read of 64 KiB in each of two queues, 256 KiB a direction.
 * @returns why it ended: OK after an end from both sides, CLIENT_GONE or UPSTREAM_RESET for a reset, IDLE for a limit */
export function splice(options: SpliceOptions): Promise<Reason> {
  return new Promise((resolve) => {
    new Splice(options, resolve).begin();
  });
}

class Splice {
  readonly #options: SpliceOptions;
  readonly #resolve: (reason: Reason) => void;
  #reason: Reason = "OK";
  #open = 2;
  #lastProgressMs: number;
  #timer: Timer | undefined;

  constructor(options: SpliceOptions, resolve: (reason: Reason) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#lastProgressMs = options.clock.nowMs();
  }

  begin(): void {
    const { downstream, upstream, traffic } = this.#options;
    this.#watch(downstream, upstream, "CLIENT_GONE");
    this.#watch(upstream, downstream, "UPSTREAM_RESET");
    this.#carry(downstream, upstream, (bytes) => {
      traffic.bytesUp += bytes;
    });
    upstream.once("end", () => {
      if (traffic.bytesDown === 0 && !downstream.readableEnded) this.#options.onSilentEnd?.();
    });
    this.#carry(upstream, downstream, (bytes) => {
      if (traffic.bytesDown === 0) this.#options.onAnswer?.();
      traffic.bytesDown += bytes;
    });
    if (this.#open > 0) this.#armTimer();
  }

  /** One direction. */
  #carry(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on("data", (chunk: Buffer) => {
      count(chunk.length);
      this.#lastProgressMs = this.#options.clock.nowMs();
      if (!to.write(chunk)) from.pause();
    });
    to.on("drain", () => {
      this.#lastProgressMs = this.#options.clock.nowMs();
      from.resume();
    });
    const end = () => {
      to.end();
      this.#lastProgressMs = this.#options.clock.nowMs();
      this.#armTimer(); // From now on the half-closed limit holds.
    };
    // A socket that held nothing has said its end already, while its server was dialled.
    if (from.readableEnded) end();
    else from.on("end", end);
    from.resume();
  }

  /** Whatever closes a side before both ends were said cuts the other: a clean end would pass a cut stream off as whole. */
  #watch(side: Socket, other: Socket, reasonOfCut: Reason): void {
    const closed = () => {
      this.#open--;
      if (!side.readableEnded || !side.writableFinished) {
        if (this.#reason === "OK") this.#reason = reasonOfCut;
        reset(other);
      }
      if (this.#open > 0) return;
      this.#timer?.cancel();
      this.#resolve(this.#reason);
    };
    if (side.closed) closed();
    else side.on("close", closed);
  }

  /** One timer a connection, set anew only when it fires: a byte costs no timer. */
  #armTimer(): void {
    const { downstream, upstream, clock, idleMs, halfClosedMs } = this.#options;
    const isHalfClosed = downstream.readableEnded || upstream.readableEnded;
    const leftMs = this.#lastProgressMs + (isHalfClosed ? Math.min(halfClosedMs, idleMs) : idleMs) - clock.nowMs();
    this.#timer?.cancel();
    if (leftMs > 0) {
      this.#timer = clock.after(leftMs, () => this.#armTimer());
      return;
    }
    this.#reason = "IDLE";
    reset(downstream);
    reset(upstream);
  }
}
