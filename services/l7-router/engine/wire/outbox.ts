import type { Socket } from "node:net";
import { assert } from "#shared/core/error.ts";

const joinedBytesMax = 16_384; // what the kernel is handed as one string without a copy on the heap
const heldBytesMax = 131_072; // two reads, not yet in the kernel: then the other side must pause

/** Who writes into an outbox. */
export interface OutboxOwner {
  /** Everything is in the kernel.
   * @param wasFull `flush` has said that there is no room */
  onWritten(wasFull: boolean): void;
}

/** What goes out on one connection: pieces are gathered and leave together, a head with the first bytes of its body; and
 * with those of all other connections, once every socket that was ready has been read. So the kernel is called for many
 * answers in a row, and whoever waits for them is woken once. */
export class Outbox {
  readonly #socket: Socket;
  readonly #owner: OutboxOwner;
  /** Text is latin1. */
  #pieces: (string | Buffer)[] = [];
  #bytes = 0;
  #isWaiting = false;
  #isFull = false;

  constructor(socket: Socket, owner: OutboxOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Something is on its way to the kernel; a client that does not take what it was sent keeps it there. */
  get isBusy(): boolean {
    return this.#socket.writableLength > 0;
  }

  add(piece: string | Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** Forgets what has not gone out yet. */
  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }

  /** What was added goes out with the next round.
   * @returns whether there is room for more: false, and `onWritten` says when */
  flush(): boolean {
    if (this.#bytes > joinedBytesMax) this.flushNow(); // What is large is worth a call of its own.
    if (!this.#isWaiting) {
      this.#isWaiting = true;
      joinRound(this);
    }
    this.#isFull = this.#bytes + this.#socket.writableLength >= heldBytesMax;
    return !this.#isFull;
  }

  /** What was added goes out now: something else will be done to the socket. Nothing is told. */
  flushNow(): void {
    if (this.#bytes > 0 && this.#socket.writable) this.#write();
    this.clear();
  }

  /** Its turn in the round. */
  go(): void {
    this.#isWaiting = false;
    this.flushNow();
    // Mostly the kernel takes all of it at once, and a callback for each write would be for nothing.
    if (this.#socket.writableLength > 0) this.#socket.write("", this.#onWritten);
    else this.#settled();
  }

  readonly #onWritten = (): void => {
    if (this.#socket.writableLength === 0) this.#settled();
  };

  #settled(): void {
    if (this.#bytes > 0) return; // More was added since: there will be a round for it.
    const wasFull = this.#isFull;
    this.#isFull = false;
    this.#owner.onWritten(wasFull);
  }

  #write(): void {
    const socket = this.#socket;
    const [first] = this.#pieces;
    if (this.#pieces.length === 1 && first !== undefined) return void socket.write(first, "latin1");
    if (this.#bytes <= joinedBytesMax) {
      let text = "";
      for (const piece of this.#pieces)
        text += typeof piece === "string" ? piece : piece.toString("latin1", 0, piece.length);
      return void socket.write(text, "latin1");
    }
    socket.cork();
    for (const piece of this.#pieces) socket.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
    socket.uncork();
  }
}

const roundMax = 65_536; // outboxes: more than a process has descriptors
let round: Outbox[] = [];

function joinRound(outbox: Outbox): void {
  round.push(outbox);
  assert(round.length <= roundMax, "an outbox waits once");
  if (round.length === 1) setImmediate(goRound);
}

/** Whoever is told that all is written may write again: that is for the next round. */
function goRound(): void {
  const due = round;
  round = [];
  for (const outbox of due) outbox.go();
}
