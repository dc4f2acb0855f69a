import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import type { Clock } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import { IdleTimer } from "./idle-timer.ts";
import { RefusedError, refusal } from "./refusal.ts";

export interface RequestBodyOptions {
  readonly clock: Clock;
  readonly bytesMax: number;
  /** Between two bytes of the client's. */
  readonly idleMs: number;
  /** The client sends it only at the server's word (Expect: 100-continue), or when it has waited long enough. */
  readonly heldBack: boolean;
}

/** A request's body on its way to a server: never more than the limit, never waiting for the client without end.
 * Is destroyed with RefusedError 413 or 408, or TrafficError CLIENT_GONE. Emits "turn" when `waitsForServer` changes. */
export class RequestBody extends Readable {
  readonly #source: IncomingMessage;
  readonly #options: RequestBodyOptions;
  #waiting: IdleTimer | undefined;
  #isWanted = false;
  #isHeldBack: boolean;
  #bytes = 0;

  constructor(source: IncomingMessage, options: RequestBodyOptions) {
    super();
    this.on("error", () => {}); // It may be cut while nobody reads it yet: whoever begins asks for `errored`.
    this.#source = source;
    this.#options = options;
    this.#isHeldBack = options.heldBack;
    for (const event of ["pause", "resume", "end"]) this.on(event, () => this.emit("turn"));
    source.on("data", (chunk: Buffer) => this.#take(chunk));
    source.pause();
    source.on("end", () => {
      this.#waiting?.cancel();
      this.push(null);
    });
    source.on("error", () => this.destroy(gone()));
    source.on("aborted", () => this.destroy(gone()));
  }

  /** It is the server's turn: it takes no more for now, has it all, or has yet to ask for it. */
  get waitsForServer(): boolean {
    return this.#isHeldBack || this.isPaused() || this.readableEnded;
  }

  /** The client need not hold it back any longer. */
  release(): void {
    if (!this.#isHeldBack) return;
    this.#isHeldBack = false;
    this.#awaitClient();
    this.emit("turn");
  }

  override _read(): void {
    this.#isWanted = true;
    this.#awaitClient();
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#waiting?.cancel();
    callback(error);
  }

  #awaitClient(): void {
    if (!this.#isWanted || this.#isHeldBack) return;
    this.#waiting ??= new IdleTimer(this.#options.clock, this.#options.idleMs, () => {
      this.destroy(new RefusedError(refusal(408, "TIMEOUT", "the body came too slowly")));
    });
  }

  #take(chunk: Buffer): void {
    if (this.destroyed) return; // The rest of a refused body runs dry.
    this.release();
    this.#bytes += chunk.length;
    if (this.#bytes > this.#options.bytesMax) {
      this.destroy(new RefusedError(refusal(413, "BODY_TOO_LARGE", "the body is too large")));
      return;
    }
    this.#waiting?.touch();
    if (this.push(chunk)) return;
    this.#waiting?.cancel(); // From here on it is the server that is waited for.
    this.#waiting = undefined;
    this.#isWanted = false;
    this.#source.pause();
  }
}

function gone(): TrafficError {
  return new TrafficError("CLIENT_GONE", "the client left within its body", { origin: "downstream" });
}
