import { ServerResponse } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { linger } from "#l7-router/end.ts";

const earlyBytesMax = 65_536; // a client has nothing to send before it is answered (RFC 6455 §4.1); a few do

/** What comes behind the head of an upgrade or CONNECT, where no parser reads any more: read on and kept until the answer
 * is decided, so that a client that leaves is noticed. One that leaves, or sends too much, is cut off. */
export class EarlyBytes {
  readonly #stream: Duplex;
  readonly #onData = (chunk: Buffer): void => this.#keep(chunk);
  readonly #onEnd = (): void => void this.#stream.destroy();
  #kept: Buffer[] = [];
  #bytes = 0;
  #isDropped = false;

  constructor(stream: Duplex, first: Buffer) {
    this.#stream = stream;
    this.#keep(first);
    stream.on("data", this.#onData);
    stream.once("end", this.#onEnd);
  }

  /** The protocol is switched: whoever reads the stream next gets them first. */
  giveBack(): void {
    this.#stream.off("data", this.#onData);
    this.#stream.off("end", this.#onEnd);
    this.#stream.pause();
    if (this.#bytes > 0) this.#stream.unshift(Buffer.concat(this.#kept));
    this.#kept = [];
  }

  /** The answer is a plain one: nobody wants them, nor what follows. */
  drop(): void {
    this.#isDropped = true;
    this.#kept = [];
  }

  #keep(chunk: Buffer): void {
    if (this.#isDropped || chunk.length === 0) return;
    this.#kept.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > earlyBytesMax) this.#stream.destroy();
  }
}

/** The client's side of an upgrade request: node:http gives the bare connection, the answer is still HTTP. */
export function responseOnBareSocket(message: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(message);
  response.shouldKeepAlive = false; // No parser reads this connection any more.
  response.assignSocket(socket as never);
  const onDrain = () => response.emit("drain"); // node:http's own listener is gone.
  socket.on("drain", onDrain);
  response.once("finish", () => {
    socket.off("drain", onDrain);
    response.detachSocket(socket as never);
    linger(socket);
    response.emit("close");
  });
  return response;
}
