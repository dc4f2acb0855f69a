import type { Socket } from "node:net";
import type { TrafficError } from "#shared/core/error.ts";
import { keyOf, tokensOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { invalidAnswer, lost } from "#l7-router/upstream/connection.ts";
import type { ConnectionFacts, UpstreamConnection } from "#l7-router/upstream/connection.ts";
import type { AnswerFraming, UpstreamRequest, UpstreamTaker } from "../engine.ts";
import { BodyReader } from "./body-reader.ts";
import { HeadParser } from "./head-parser.ts";
import type { HeadBounds } from "./head-parser.ts";
import { addEnd, addPiece, textOfLines } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxOwner } from "./outbox.ts";

// Four times what a client may send: servers set many cookies. The size is the bound, not the number of lines.
const answerBounds: HeadBounds = { bytesMax: 65_536, targetBytesMax: 0, linesMax: 16_384 };
const noBody: AnswerFraming = { kind: "none" };
const chunkedBody: AnswerFraming = { kind: "chunked" };
const closedBody: AnswerFraming = { kind: "close" };

/** What of an answer's head decides how it is read. */
interface Framed {
  readonly framing: AnswerFraming;
  readonly keepsAlive: boolean;
}

/** One connection to a server: sends a request, reads its answer strictly, and then the next. */
export class WireServer implements UpstreamConnection, OutboxOwner {
  readonly facts: ConnectionFacts;
  uses = 0;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #parser = new HeadParser("answer", answerBounds);
  readonly #reader = new BodyReader();
  #taker: UpstreamTaker | undefined;
  #request: UpstreamRequest | undefined;
  /** The beginning of a head. */
  #held: Buffer | undefined;
  #isInBody = false;
  /** The request has been written to its end. */
  #isSent = false;
  #isSilent = true;
  #keepsAlive = false;

  constructor(facts: ConnectionFacts) {
    const { socket } = facts;
    this.facts = facts;
    this.#socket = socket;
    this.#outbox = new Outbox(socket, this);
    socket.on("data", this.#onData);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
  }

  get isUsable(): boolean {
    const socket = this.#socket;
    return !socket.destroyed && socket.writable && !socket.readableEnded;
  }

  send(request: UpstreamRequest, taker: UpstreamTaker): void {
    this.uses++;
    this.#taker = taker;
    this.#request = request;
    this.#isSilent = true;
    this.#isSent = request.framing.kind === "none";
    this.#outbox.add(`${request.method} ${request.target} HTTP/1.1\r\n${textOfLines(request.headers)}\r\n`);
  }

  write(chunk: Buffer): void {
    addPiece(this.#outbox, chunk, this.#request?.framing.kind === "chunked");
  }

  end(trailers: HeaderList): void {
    this.#isSent = true;
    addEnd(this.#outbox, trailers, this.#request?.framing.kind === "chunked");
  }

  flush(): boolean {
    return this.#outbox.flush();
  }

  onWritten(wasFull: boolean): void {
    if (wasFull) this.#taker?.onServerRoom();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  cancel(taker: UpstreamTaker): void {
    if (this.#taker !== taker) return;
    this.#taker = undefined;
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    const taker = this.#taker;
    // Bytes that no request has asked for would be taken for the answer to the next one.
    if (!taker) return this.destroy();
    this.#isSilent = false;
    if (this.#isInBody) this.#readBody(taker, chunk);
    else this.#readHead(taker, this.#held ? Buffer.concat([this.#held, chunk]) : chunk);
  };

  #readHead(taker: UpstreamTaker, bytes: Buffer): void {
    this.#held = undefined;
    for (let at = 0; this.#taker === taker;) {
      const after = this.#parser.scan(bytes, at, bytes.length);
      if (after < 0) return this.#fail(invalidAnswer(this.#parser.fault?.message ?? "not HTTP"));
      if (after === 0) {
        this.#held = bytes.subarray(at);
        return;
      }
      const text = bytes.toString("latin1", at, after);
      const start = this.#parser.statusOf(text);
      const headers = this.#parser.linesOf(text);
      this.#parser.reset();
      if (!start) return this.#fail(invalidAnswer("not a status line of HTTP/1.1"));
      if (start.status === 101) return this.#upgrade(taker, headers, bytes.subarray(after));
      if (start.status >= 200) return this.#answer(taker, { ...start, headers }, bytes, after);
      taker.onInformation(start.status, headers);
      at = after;
    }
  }

  #answer(
    taker: UpstreamTaker,
    answer: { version: string; status: number; statusText: string; headers: HeaderList },
    bytes: Buffer,
    from: number,
  ): void {
    const { version, status, statusText, headers } = answer;
    const framed = frame(version, status, headers, this.#request?.method === "HEAD");
    if (typeof framed === "string") return this.#fail(invalidAnswer(framed));
    const { framing, keepsAlive } = framed;
    this.#keepsAlive = keepsAlive;
    this.#isInBody = true;
    this.#reader.begin(framing);
    // Before anything is handed on: what is invalid in this very packet is still a 502 instead of a reset.
    const pieces: Buffer[] = [];
    const after = this.#reader.read(bytes, from, bytes.length, pieces);
    if (after < 0) return this.#fail(invalidAnswer(this.#reader.fault));
    taker.onAnswer({ status, statusText, headers, framing });
    this.#handOn(taker, pieces, after < bytes.length);
  }

  #readBody(taker: UpstreamTaker, bytes: Buffer): void {
    const pieces: Buffer[] = [];
    const after = this.#reader.read(bytes, 0, bytes.length, pieces);
    if (after < 0) return this.#fail(invalidAnswer(this.#reader.fault));
    this.#handOn(taker, pieces, after < bytes.length);
  }

  /** @param hasMore bytes came behind the answer */
  #handOn(taker: UpstreamTaker, pieces: readonly Buffer[], hasMore: boolean): void {
    for (const piece of pieces) {
      if (this.#taker !== taker) return;
      taker.onAnswerBody(piece);
    }
    if (this.#taker !== taker) return;
    if (this.#reader.isWhole) this.#end(taker, hasMore);
    else taker.onAnswerFlush();
  }

  /** The answer is whole. By the time the taker hears of it, the connection may carry the next request. */
  #end(taker: UpstreamTaker, hasMore: boolean): void {
    const { trailers } = this.#reader;
    this.#taker = undefined;
    this.#request = undefined;
    this.#isInBody = false;
    if (this.#keepsAlive && this.#isSent && !hasMore) {
      if (this.#socket.isPaused()) this.#socket.resume(); // so that bytes or an end that come while it is idle are seen
      this.facts.release(this);
    } else this.destroy();
    taker.onAnswerEnd(trailers);
  }

  #upgrade(taker: UpstreamTaker, headers: HeaderList, first: Buffer): void {
    if (!this.#request?.upgrade || !tokensOf(headers, "upgrade").includes("websocket"))
      return this.#fail(invalidAnswer("a 101 that nobody asked for"));
    const socket = this.#socket;
    this.#taker = undefined;
    socket.off("data", this.#onData);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.pause();
    taker.onUpgrade(headers, socket, first);
  }

  readonly #onEnd = (): void => {
    const taker = this.#taker;
    if (taker && this.#isInBody && this.#reader.endsWithConnection) {
      this.#keepsAlive = false;
      return this.#end(taker, false);
    }
    this.#fail(lost(this.#isSilent));
  };

  readonly #onClose = (): void => {
    if (this.#taker) this.#fail(lost(this.#isSilent));
  };

  #fail(error: TrafficError): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.destroy();
    taker?.onServerError(error);
  }
}

/** @returns why the answer is invalid, as text
 * @see RFC 9112 §6.3 */
function frame(version: string, status: number, headers: HeaderList, isToHead: boolean): Framed | string {
  let length: string | undefined;
  let coding: string | undefined;
  let keepsAlive = version === "1.1";
  for (let i = 0; i < headers.length; i += 2) {
    const value = headers[i + 1] ?? "";
    switch (keyOf(headers[i] ?? "")) {
      case "content-length":
        if (length !== undefined) return "two Content-Lengths";
        if (!/^\d{1,15}$/.test(value)) return "an invalid Content-Length";
        length = value;
        break;
      case "transfer-encoding":
        if (coding !== undefined || value.toLowerCase() !== "chunked" || version !== "1.1")
          return "a transfer coding other than chunked";
        coding = value;
        break;
      case "connection": {
        const token = value.toLowerCase();
        if (token.includes("close")) keepsAlive = false;
        else if (token.includes("keep-alive")) keepsAlive = true;
        break;
      }
      default:
    }
  }
  if (length !== undefined && coding !== undefined) return "both Content-Length and Transfer-Encoding";
  if (isToHead || status === 204 || status === 304) return { framing: noBody, keepsAlive };
  if (coding !== undefined) return { framing: chunkedBody, keepsAlive };
  if (length !== undefined) return { framing: { kind: "length", bytes: Number(length) }, keepsAlive };
  return { framing: closedBody, keepsAlive: false };
}
