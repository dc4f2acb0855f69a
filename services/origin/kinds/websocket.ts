import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Gate } from "../gate.ts";
import { untilWritable } from "../until-writable.ts";
import { idleTimeoutMs } from "./kind.ts";

const frameBytesMax = 1_048_576; // one frame is held whole before it is echoed
const controlBytesMax = 125; // RFC 6455 §5.5
const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3

const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const closeCodes = { goingAway: 1_001, protocolError: 1_002, invalidText: 1_007, tooBig: 1_009 } as const;

/** Sec-WebSocket-Accept for a handshake; undefined if the handshake is not one. @see RFC 6455 §4.2 */
export function acceptKey(request: IncomingMessage): string | undefined {
  const { headers, method } = request;
  const key = headers["sec-websocket-key"];
  if (method !== "GET" || headers["sec-websocket-version"] !== "13") return undefined;
  if (key === undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key)) return undefined;
  return createHash("sha1").update(`${key}${guid}`).digest("base64");
}

export interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
}

/** Why a connection must be closed, in the code that the close frame carries. @see RFC 6455 §7.4.1 */
class CloseError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`close ${code}`);
    this.code = code;
  }
}

/** Reads the frames of a client, however the bytes were cut.
 * @see RFC 6455 §5.2 */
export class FrameParser {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  /** Before so many bytes are there, no look is worth joining them. */
  #needed = 2;

  push(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** @throws {CloseError} if the client breaks the protocol or the limits of this server */
  next(): Frame | undefined {
    if (this.#bytes < this.#needed) return undefined;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0] : Buffer.concat(this.#chunks);
    if (!bytes) return undefined;
    const { final, opcode, maskAt } = readHead(bytes);
    const length = bytes.length < maskAt ? 0 : payloadLength(bytes, maskAt);
    const end = maskAt + 4 + length;
    const isWhole = bytes.length >= end;
    const rest = isWhole ? bytes.subarray(end) : bytes;
    this.#chunks.splice(0, this.#chunks.length, rest);
    this.#bytes = rest.length;
    this.#needed = isWhole ? 2 : end;
    if (!isWhole) return undefined;
    const payload = Buffer.from(bytes.subarray(maskAt + 4, end));
    for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (bytes[maskAt + (i & 3)] ?? 0);
    return { final, opcode, payload };
  }
}

/** @returns where the mask stands, behind the length */
function readHead(bytes: Buffer): { final: boolean; opcode: number; maskAt: number } {
  const [first = 0, second = 0] = bytes;
  const opcode = first & 0x0f;
  const final = (first & 0x80) !== 0;
  const known = Object.values<number>(opcodes).includes(opcode);
  if ((first & 0x70) !== 0 || !known || (second & 0x80) === 0) throw new CloseError(closeCodes.protocolError);
  const short = second & 0x7f;
  const isControl = opcode >= opcodes.close;
  if (isControl && (!final || short > controlBytesMax)) throw new CloseError(closeCodes.protocolError);
  return { final, opcode, maskAt: short === 126 ? 4 : short === 127 ? 10 : 2 };
}

function payloadLength(bytes: Buffer, maskAt: number): number {
  const length =
    maskAt === 2 ? bytes.readUInt8(1) & 0x7f : maskAt === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (length > frameBytesMax) throw new CloseError(closeCodes.tooBig);
  return length;
}

/** @see RFC 6455 §5.2; a server does not mask */
export function encodeFrame(frame: Frame): Buffer {
  const { length } = frame.payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (frame.final ? 0x80 : 0) | frame.opcode;
  head[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (head.length === 4) head.writeUInt16BE(length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, frame.payload]);
}

/** A WebSocket that sends back every frame as it came, so that a message of any size needs one frame of memory. */
export class EchoSocket {
  readonly #socket: Socket;
  readonly #gate: Gate;
  readonly #parser = new FrameParser();
  /** Checks the text of the message under way; undefined between messages. */
  #message: { readonly decoder: TextDecoder | undefined } | undefined;

  constructor(socket: Socket, gate: Gate) {
    this.#socket = socket;
    this.#gate = gate;
  }

  /** Answers the handshake, then echoes until either side closes. Never rejects.
   * @param head of the 101 answer, with its empty line */
  async run(head: string): Promise<void> {
    this.#socket.setTimeout(idleTimeoutMs, () => this.#socket.destroy());
    try {
      if (!(await this.#gate.pass(this.#socket))) return;
      this.#socket.write(head);
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        this.#parser.push(chunk as Buffer);
        for (let frame = this.#parser.next(); frame; frame = this.#parser.next())
          if (!(await this.#answer(frame))) return;
      }
      this.#socket.end();
    } catch (error) {
      if (error instanceof CloseError) this.#close(error.code);
      this.#socket.destroySoon();
    }
  }

  /** The server is about to stop. */
  goAway(): void {
    this.#close(closeCodes.goingAway);
  }

  /** @returns false once there is nothing more to answer */
  async #answer(frame: Frame): Promise<boolean> {
    if (frame.opcode < opcodes.close) this.#check(frame);
    if (frame.opcode === opcodes.pong) return true;
    if (!(await this.#gate.pass(this.#socket))) return false;
    if (frame.opcode === opcodes.close) {
      if (!this.#socket.writableEnded)
        this.#socket.write(encodeFrame({ ...frame, payload: closePayload(frame.payload) }));
      this.#socket.destroySoon();
      return false;
    }
    if (this.#socket.writableEnded) return true;
    const opcode = frame.opcode === opcodes.ping ? opcodes.pong : frame.opcode;
    if (!this.#socket.write(encodeFrame({ ...frame, opcode }))) await untilWritable(this.#socket);
    return true;
  }

  /** @throws {CloseError} if fragments come out of order, or text is not UTF-8. @see RFC 6455 §5.4, §8.1 */
  #check(frame: Frame): void {
    const continues = frame.opcode === opcodes.continuation;
    if (continues !== (this.#message !== undefined)) throw new CloseError(closeCodes.protocolError);
    if (!continues) {
      const isText = frame.opcode === opcodes.text;
      this.#message = { decoder: isText ? new TextDecoder("utf-8", { fatal: true }) : undefined };
    }
    try {
      this.#message?.decoder?.decode(frame.payload, { stream: !frame.final });
    } catch {
      throw new CloseError(closeCodes.invalidText);
    }
    if (frame.final) this.#message = undefined;
  }

  #close(code: number): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#socket.end(encodeFrame({ final: true, opcode: opcodes.close, payload }));
  }
}

/** What a close is answered with: the same code, or 1002 for one that must not be sent. @see RFC 6455 §7.4 */
function closePayload(payload: Buffer): Buffer {
  if (payload.length === 0) return payload;
  const code = payload.length >= 2 ? payload.readUInt16BE(0) : 0;
  const allowed = (code >= 1_000 && code <= 1_014 && ![1_004, 1_005, 1_006].includes(code)) || code >= 3_000;
  const answer = Buffer.alloc(2);
  answer.writeUInt16BE(allowed && code < 5_000 ? code : closeCodes.protocolError);
  return answer;
}
