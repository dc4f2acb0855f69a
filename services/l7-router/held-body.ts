import type { HeaderList } from "./headers.ts";
import type { Downstream } from "./engine/engine.ts";
import type { Framing } from "./head.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { BodyFields, noBody, unreadBody } from "./route/body.ts";
import type { RequestBody } from "./route/body.ts";

const heldTotalBytesMax = 67_108_864; // of all requests at once: slow clients must not fill the memory

/** Counts what bodies that are held back may take, over all requests of a router. */
export class BodyRoom {
  #bytes = 0;

  /** @returns the 503 where so much is held already that one more may be too much */
  hold(downstream: Downstream, bytesMax: number, owner: HeldBodyOwner): HeldBody | Refusal {
    if (this.#bytes + bytesMax > heldTotalBytesMax)
      return refusal(503, "LIMIT_REACHED", "too many bodies are being read", ["Retry-After", "1"]);
    this.#bytes += bytesMax;
    return new HeldBody(downstream, bytesMax, this, owner);
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}

/** Whose body it is, and who gets it later as if it came just then. */
export interface HeldBodyOwner {
  /** It is whole, or too large to tell. Called once, perhaps within `begin`. */
  onBodyKnown(body: RequestBody): void;
  onFailure(error: unknown): void;
  onBody(chunk: Buffer): void;
  onBodyEnd(trailers: HeaderList): void;
}

/** What is known of a body by the head alone. */
export function bodyByHead(framing: Framing, bytesMax: number): RequestBody {
  if (framing.kind === "none") return noBody;
  return framing.kind === "length" && framing.bytes > bytesMax ? { state: "tooLarge", bytesMax } : unreadBody;
}

/** The beginning of a request's body, held back until its route is known: all of it, or as much as may be held. */
export class HeldBody {
  readonly #downstream: Downstream;
  readonly #bytesMax: number;
  readonly #room: BodyRoom;
  readonly #owner: HeldBodyOwner;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #taken: number;
  #isOver = false;
  #trailers: HeaderList | undefined;

  /** @param room of which it has `bytesMax` until it lets go */
  constructor(downstream: Downstream, bytesMax: number, room: BodyRoom, owner: HeldBodyOwner) {
    this.#owner = owner;
    this.#downstream = downstream;
    this.#bytesMax = bytesMax;
    this.#room = room;
    this.#taken = bytesMax;
  }

  /** @param isAwaited the client sends its body only when it is told to */
  begin(isAwaited: boolean): void {
    if (isAwaited) this.#downstream.inform(100, []);
    this.#downstream.resume();
  }

  /** It may come to a read more than the bound: what has been read cannot be given back. */
  add(chunk: Buffer): void {
    if (this.#taken === 0) return; // Nobody wants it any more: the rest runs dry.
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
  }

  end(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  /** Everything that one read has brought is in. */
  settle(): void {
    const isTooLarge = this.#bytes > this.#bytesMax;
    if (this.#isOver || (!this.#trailers && !isTooLarge)) return;
    this.#isOver = true;
    if (!this.#trailers) this.#downstream.pause();
    try {
      if (isTooLarge) this.#owner.onBodyKnown({ state: "tooLarge", bytesMax: this.#bytesMax });
      else this.#owner.onBodyKnown({ state: "read", fields: new BodyFields(Buffer.concat(this.#pieces)) });
    } catch (error) {
      this.#owner.onFailure(error);
    }
  }

  /** Hands on what is held. */
  release(): void {
    const pieces = this.#pieces;
    this.drop();
    for (const piece of pieces) this.#owner.onBody(piece);
    if (this.#trailers) this.#owner.onBodyEnd(this.#trailers);
  }

  /** Nobody wants it any more. */
  drop(): void {
    this.#isOver = true;
    this.#pieces = [];
    this.#room.give(this.#taken);
    this.#taken = 0;
  }
}
