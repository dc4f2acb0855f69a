import type net from "node:net";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Client } from "./answer.ts";
import { Peer } from "./peer.ts";
import { tcpBytesMax } from "./wire/body.ts";

export interface TcpLimits {
  /** Over it the connection that has been idle longest is closed. */
  readonly connectionsMax: number;
  /** Since the last answered query, so that a byte now and then keeps nothing open. */
  readonly idleMs: number;
}

export interface TcpOptions {
  readonly limits: TcpLimits;
  readonly clock: Clock;
  /** @param out takes the reply from 0; as long as the largest message
   * @returns bytes of the reply; 0 for silence. Must not throw. */
  readonly answer: (message: Buffer, client: Client, out: Uint8Array) => number;
}

// For a client that sends but does not read: this, one more reply, one cut query and one chunk, 64 KiB each, are held.
const unsentBytesMax = 65_536;
const lengthBytes = 2; // RFC 1035 §4.2.2
const reply = new Uint8Array(tcpBytesMax); // one at a time, copied out before the next

/** The TCP connections of every listener of the server. @see RFC 7766 */
export class TcpConnections {
  readonly #clock: Clock;
  readonly #answer: TcpOptions["answer"];
  /** With the time of the last answered query, the longest idle first. */
  readonly #lastQueryMs = new Map<net.Socket, number>();
  #limits: TcpLimits;
  #sweep: Timer | undefined;
  #onEmpty: () => void = () => {};

  constructor(options: TcpOptions) {
    this.#clock = options.clock;
    this.#answer = options.answer;
    this.#limits = options.limits;
  }

  get count(): number {
    return this.#lastQueryMs.size;
  }

  /** A reload. Connections over a lower cap go as new ones come. */
  setLimits(limits: TcpLimits): void {
    this.#limits = limits;
    this.#scheduleSweep();
  }

  /** Takes a connection over. It must allow a half-open state, so that a client that has ended its side is answered. */
  accept(socket: net.Socket): void {
    socket.on("error", () => {}); // a reset: "close" follows
    const client = new Peer();
    if (!client.take(socket.remoteAddress ?? "")) return void socket.destroy(); // gone already
    while (this.#lastQueryMs.size >= this.#limits.connectionsMax) this.#evictLongestIdle();
    this.#touch(socket);
    socket.on("close", () => this.#remove(socket));
    this.#serve(socket, client);
  }

  /** Ends every connection once its replies are sent; resolves when none is left. */
  finish(): Promise<void> {
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const socket of this.#lastQueryMs.keys()) socket.destroySoon();
    if (this.#lastQueryMs.size === 0) this.#onEmpty();
    return empty;
  }

  close(): void {
    this.#sweep?.cancel();
    for (const socket of this.#lastQueryMs.keys()) socket.destroy();
  }

  #serve(socket: net.Socket, client: Client): void {
    let unread: Buffer = Buffer.alloc(0); // at most one cut query and one chunk
    const answerUnread = () => {
      let at = 0;
      socket.cork();
      for (;;) {
        const message = messageAt(unread, at);
        if (!message || socket.writableLength > unsentBytesMax) break;
        at += lengthBytes + message.length;
        const length = this.#answer(message, client, reply);
        if (length === 0) continue;
        this.#touch(socket);
        socket.write(withLength(reply.subarray(0, length)));
      }
      unread = unread.subarray(at);
      socket.uncork();
      // Not read on until the client has taken its replies; whoever never does runs into the idle limit.
      if (messageAt(unread, 0)) socket.pause();
      else socket.resume();
    };
    socket.on("data", (chunk: Buffer) => {
      unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
      answerUnread();
    });
    socket.on("drain", answerUnread);
    // Everything whole was answered; a cut query never will be.
    socket.on("end", () => {
      socket.end();
    });
  }

  /** It was answered, or is new: the least idle of all. */
  #touch(socket: net.Socket): void {
    if (socket.destroyed) return;
    this.#lastQueryMs.delete(socket);
    this.#lastQueryMs.set(socket, this.#clock.nowMs());
    if (!this.#sweep) this.#scheduleSweep();
  }

  #remove(socket: net.Socket): void {
    this.#lastQueryMs.delete(socket);
    if (this.#lastQueryMs.size === 0) this.#onEmpty();
  }

  #evictLongestIdle(): void {
    const [socket] = this.#lastQueryMs.keys();
    if (!socket) return;
    this.#lastQueryMs.delete(socket);
    socket.destroy();
  }

  /** One timer for all: for the connection that has been idle longest. */
  #scheduleSweep(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    const [oldestMs] = this.#lastQueryMs.values();
    if (oldestMs === undefined) return;
    const dueMs = oldestMs + this.#limits.idleMs;
    this.#sweep = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => this.#closeIdle());
  }

  #closeIdle(): void {
    this.#sweep = undefined;
    const nowMs = this.#clock.nowMs();
    for (const [, lastMs] of this.#lastQueryMs) {
      if (lastMs + this.#limits.idleMs > nowMs) break;
      this.#evictLongestIdle();
    }
    this.#scheduleSweep();
  }
}

/** The message that starts there, if it is whole. */
function messageAt(bytes: Buffer, offset: number): Buffer | undefined {
  if (bytes.length < offset + lengthBytes) return undefined;
  const end = offset + lengthBytes + bytes.readUInt16BE(offset);
  return end <= bytes.length ? bytes.subarray(offset + lengthBytes, end) : undefined;
}

function withLength(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(lengthBytes + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, lengthBytes);
  return framed;
}
