import type net from "node:net";
import type { Client, Transport } from "./answer.ts";
import type { Connection } from "./connections.ts";
import { tcpBytesMax } from "./wire/body.ts";

/** Answers one message.
 * @param out takes the reply from 0; as long as the largest message that the transport carries
 * @returns bytes of the reply; 0 for silence. Must not throw. */
export type AnswerMessage = (message: Buffer, client: Client, transport: Transport, out: Uint8Array) => number;

// For a client that sends but does not read: this, one more reply, one cut query and one chunk, 64 KiB each, are held.
const unsentBytesMax = 65_536;
// Of one connection in one turn of the loop: however many queries its client has written, the others are answered in between.
export const answersPerTurnMax = 32;
const lengthBytes = 2; // RFC 1035 §4.2.2
const roomBytes = 2_048; // for what comes byte by byte: the longest message is then copied 32 times, not 65,535
const nothing = Buffer.alloc(0);
const reply = new Uint8Array(tcpBytesMax); // one at a time, copied out before the next

/** Cuts a stream into messages, each behind its length. Holds what was not taken yet: one cut message and one chunk. */
export class MessageReader {
  #bytes: Buffer = nothing;
  #from = 0;
  #to = 0;
  /** The buffer is ours to write into, not a chunk as it came. */
  #isOwn = false;

  /** Bytes that no whole message was made of yet. */
  get length(): number {
    return this.#to - this.#from;
  }

  push(chunk: Buffer): void {
    if (this.length === 0) {
      [this.#bytes, this.#from, this.#to, this.#isOwn] = [chunk, 0, chunk.length, false];
      return;
    }
    if (!this.#isOwn || this.#to + chunk.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(this.length + chunk.length + roomBytes);
      this.#bytes.copy(larger, 0, this.#from, this.#to);
      [this.#bytes, this.#to, this.#from, this.#isOwn] = [larger, this.length, 0, true];
    }
    chunk.copy(this.#bytes, this.#to);
    this.#to += chunk.length;
  }

  hasMessage(): boolean {
    return this.length >= lengthBytes && this.length >= lengthBytes + this.#bytes.readUInt16BE(this.#from);
  }

  /** The next whole message; it is valid until the next push. */
  next(): Buffer | undefined {
    if (!this.hasMessage()) return undefined;
    const start = this.#from + lengthBytes;
    this.#from = start + this.#bytes.readUInt16BE(this.#from);
    const message = this.#bytes.subarray(start, this.#from);
    if (this.length === 0) [this.#bytes, this.#from, this.#to] = [nothing, 0, 0]; // an idle connection holds nothing
    return message;
  }
}

/** Serves DNS over a stream, plain or TLS. A client that has ended its side is answered first. Replies come in the order of the queries.
 * @see RFC 7766, RFC 7858 §3.3 */
export function serveStream(
  socket: net.Socket,
  connection: Connection,
  transport: Transport,
  answer: AnswerMessage,
): void {
  const reader = new MessageReader();
  let hasEnded = false; // the client's side
  let isFinishing = false;
  let isWaiting = false; // for its next turn
  const answerUnread = () => {
    if (socket.destroyed || isWaiting) return;
    let mayGoOn = true;
    socket.cork();
    for (let left = answersPerTurnMax; mayGoOn && left > 0 && socket.writableLength <= unsentBytesMax; left--) {
      const message = reader.next();
      if (!message) break;
      const length = answer(message, connection.client, transport, reply);
      if (length === 0) continue;
      mayGoOn = connection.answered();
      socket.write(withLength(reply.subarray(0, length)));
    }
    socket.uncork();
    if (!mayGoOn) return socket.destroySoon();
    if (reader.hasMessage()) {
      socket.pause();
      // Else "drain" goes on, once the client has taken its replies; whoever never does runs into the idle limit.
      if (socket.writableLength <= unsentBytesMax) answerNextTurn();
      return;
    }
    // Everything whole was answered; a cut query of one who has ended never will be.
    if (hasEnded) return void socket.end();
    if (isFinishing && reader.length === 0) return socket.destroySoon();
    socket.resume();
  };
  const answerNextTurn = () => {
    if (isWaiting) return;
    isWaiting = true;
    setImmediate(() => {
      isWaiting = false;
      answerUnread();
    });
  };
  connection.destroy = () => void socket.destroy();
  connection.finish = () => {
    // What has come by now is read in the next turn of the loop, and answered: a shutdown loses nothing that was asked.
    setImmediate(() =>
      setImmediate(() => {
        isFinishing = true;
        answerUnread();
      }),
    );
  };
  socket.on("data", (chunk: Buffer) => {
    reader.push(chunk);
    answerUnread();
  });
  socket.on("drain", answerNextTurn); // it may come at once, from inside a write
  socket.on("end", () => {
    hasEnded = true;
    answerUnread();
  });
}

function withLength(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(lengthBytes + message.length);
  framed.writeUInt16BE(message.length, 0);
  framed.set(message, lengthBytes);
  return framed;
}
