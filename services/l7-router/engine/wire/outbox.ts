import type { Socket } from "node:net";

const joinedBytesMax = 16_384; // what the kernel is handed as one string without a copy on the heap
const heldBytesMax = 65_536; // written but not yet in the kernel: then the other side must pause

/** What goes out on one connection: pieces are gathered and leave together, a head with the first bytes of its body. */
export class Outbox {
  readonly #socket: Socket;
  readonly #onWritten: () => void;
  /** Text is latin1. */
  #pieces: (string | Buffer)[] = [];
  #bytes = 0;

  /** @param onWritten called later, when a write has come so far that there is room again */
  constructor(socket: Socket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = () => {
      if (socket.writableLength <= heldBytesMax / 2) onWritten();
    };
  }

  /** Nothing is left that the kernel has not taken. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && this.#socket.writableLength === 0;
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

  /** @returns whether there is room for more */
  flush(): boolean {
    const socket = this.#socket;
    if (this.#bytes > 0) {
      if (!socket.destroyed && socket.writable) this.#write();
      this.clear();
    }
    return socket.writableLength < heldBytesMax;
  }

  #write(): void {
    const socket = this.#socket;
    if (this.#bytes <= joinedBytesMax) {
      let text = "";
      for (const piece of this.#pieces)
        text += typeof piece === "string" ? piece : piece.toString("latin1", 0, piece.length);
      socket.write(text, "latin1", this.#onWritten);
      return;
    }
    socket.cork();
    for (const piece of this.#pieces)
      socket.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece, this.#onWritten);
    socket.uncork();
  }
}
