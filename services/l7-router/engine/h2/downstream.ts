import { createHash, randomBytes } from "node:crypto";
import { constants } from "node:http2";
import type { ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { clientGone } from "#l7-router/failures.ts";
import type { Framing, RawHead } from "#l7-router/head.ts";
import { valueOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { Informations } from "#l7-router/informations.ts";
import type { TlsFacts } from "#l7-router/listener/tls.ts";
import { invalidAnswer } from "#l7-router/upstream/connection.ts";
import type { AnswerHead, ClientFacts, Downstream, DownstreamTaker } from "../engine.ts";
import { answerLines, linesByName, rawHeadOf } from "./head.ts";

/** What a request needs of its connection. */
export interface StreamOwner {
  /** How much of an answer may wait for the client to take it, bytes. */
  readonly heldBytesMax: number;
  /** This answer should be the last of the connection. */
  onLastAnswer(): void;
  onClosed(request: Http2Downstream): void;
}

const cutError = new Error("the answer was cut"); // the reset says INTERNAL_ERROR
const noTrailers: HeaderList = [];
const keyBytes = 16; // RFC 6455 §4.1
const keySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455 §1.3

/** The client's side of one request on HTTP/2. A connection has many of them at a time: what ends one ends no other. */
export class Http2Downstream implements Downstream {
  readonly head: RawHead;
  readonly peer: string;
  readonly local: string;
  readonly tls: TlsFacts | undefined;
  readonly turnedAway: ClientFacts["turnedAway"];
  readonly #stream: ServerHttp2Stream;
  readonly #owner: StreamOwner;
  readonly #webSocketKey: string;
  readonly #informations = new Informations();
  #taker: DownstreamTaker | undefined;
  #isWhole: boolean;
  #isRead = false;
  #isAnswerEnded = false;
  #trailersIn = noTrailers;
  #trailersOut = noTrailers;

  /** @param lines of its head, pseudo-header fields first */
  constructor(stream: ServerHttp2Stream, lines: HeaderList, facts: ClientFacts, owner: StreamOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.#isWhole = stream.endAfterHeaders;
    this.#webSocketKey = lines.includes(":protocol") ? randomBytes(keyBytes).toString("base64") : "";
    this.head = rawHeadOf(lines, stream.endAfterHeaders, this.#webSocketKey);
    this.peer = facts.peer;
    this.local = facts.local;
    this.tls = facts.tls;
    this.turnedAway = facts.turnedAway;
    stream.on("drain", () => this.#taker?.onClientRoom());
    stream.on("close", () => this.#closed());
    // node:http2 hands over the list of lines beside the object that its types know.
    if (!this.#isWhole)
      stream.on("trailers", (...args: readonly unknown[]) => (this.#trailersIn = args[2] as HeaderList));
  }

  /** Serves it. */
  start(taker: DownstreamTaker): void {
    this.#taker = taker;
    taker.begin();
  }

  get isWhole(): boolean {
    return this.#isWhole;
  }

  get headSent(): boolean {
    return this.#stream.headersSent;
  }

  expectBody(framing: Framing, upgrade: boolean): void {
    if (upgrade) this.#isWhole = true; // What comes behind the head is no body.
    else if (framing.kind === "none" && !this.#isWhole) this.resume(); // Its end comes in a frame of its own.
  }

  resume(): void {
    if (!this.#isRead && !this.#isWhole) this.#read();
    if (this.#isRead) this.#stream.resume();
  }

  pause(): void {
    this.#stream.pause();
  }

  #read(): void {
    const stream = this.#stream;
    this.#isRead = true;
    stream.on("data", (chunk: Buffer) => {
      this.#taker?.onBody(chunk);
      this.#taker?.onBodyFlush();
    });
    stream.on("end", () => {
      if (stream.closed && stream.rstCode !== constants.NGHTTP2_NO_ERROR) return; // It was cut.
      this.#isWhole = true;
      this.#taker?.onBodyEnd(this.#trailersIn);
      this.#taker?.onBodyFlush();
    });
  }

  inform(status: number, headers: HeaderList): void {
    const stream = this.#stream;
    if (!this.#taker || stream.closed || stream.headersSent) return;
    if (!this.#informations.admits(status, headers, stream.writableLength > 0)) return;
    try {
      stream.additionalHeaders({ ":status": status, ...linesByName(headers) });
    } catch {
      // A hint with an invalid line is dropped.
    }
  }

  send(status: number, headers: HeaderList, body: string, close: boolean): void {
    const bytes = this.head.method === "HEAD" ? "" : body;
    this.#respond(status, headers, { endStream: bytes === "" }, close);
    if (bytes !== "") this.#stream.end(bytes);
    this.#ended();
  }

  /** @throws {TrafficError} UPSTREAM_INVALID if node:http2 takes a line for invalid */
  begin({ status, headers, framing }: AnswerHead, close: boolean): void {
    const options = { endStream: framing.kind === "none", waitForTrailers: framing.kind === "chunked" };
    this.#respond(status, headers, options, close);
    if (options.waitForTrailers)
      this.#stream.on("wantTrailers", () => this.#stream.sendTrailers(linesByName(this.#trailersOut)));
  }

  write(chunk: Buffer): void {
    if (this.#stream.writable) this.#stream.write(chunk);
  }

  end(trailers: HeaderList): void {
    this.#trailersOut = trailers;
    this.#stream.end();
    this.#ended();
  }

  flush(): boolean {
    return this.#stream.writableLength < this.#owner.heldBytesMax || !this.#stream.writableNeedDrain;
  }

  /** Answers 200 (RFC 8441 §4), and hands over the stream. */
  switchProtocols(headers: HeaderList): Duplex {
    const stream = this.#stream;
    this.#taker = undefined;
    const accept = createHash("sha1").update(`${this.#webSocketKey}${keySuffix}`).digest("base64");
    // An HTTP/1.1 client would see for itself whether the server has understood (RFC 6455 §4.1).
    if (valueOf(headers, "sec-websocket-accept")?.trim() === accept) {
      const kept: string[] = [];
      for (let i = 0; i < headers.length; i += 2)
        if (headers[i]?.toLowerCase() !== "sec-websocket-accept") kept.push(headers[i] ?? "", headers[i + 1] ?? "");
      this.#respond(200, kept, {}, false);
    } else this.cut();
    return stream;
  }

  cut(): void {
    this.#taker = undefined;
    this.#stream.destroy(cutError); // Not close(): that would end the stream well first.
  }

  #respond(status: number, headers: HeaderList, options: object, close: boolean): void {
    if (this.#stream.closed) return; // 'close' is on its way.
    try {
      this.#stream.respond(answerLines(status, headers), options);
    } catch (cause) {
      throw invalidAnswer("a header of the answer is invalid", cause);
    }
    if (close) this.#owner.onLastAnswer();
  }

  /** The answer has been written to its end. A client that still sends may stop (RFC 9113 §8.1). */
  #ended(): void {
    this.#isAnswerEnded = true;
    const stream = this.#stream;
    if (!this.#isWhole) stream.once("finish", () => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  #closed(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.#owner.onClosed(this);
    if (this.#isAnswerEnded && this.#stream.rstCode === constants.NGHTTP2_NO_ERROR) taker?.onTaken();
    else taker?.onClientError(clientGone());
  }
}
