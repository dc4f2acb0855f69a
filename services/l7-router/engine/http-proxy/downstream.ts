import { STATUS_CODES } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { TrafficError } from "#shared/core/error.ts";
import { endLingering, reset } from "#l7-router/end.ts";
import { clientGone } from "#l7-router/failures.ts";
import type { Framing, RawHead } from "#l7-router/head.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { Informations } from "#l7-router/informations.ts";
import { invalidAnswer } from "#l7-router/upstream/connection.ts";
import type { AnswerHead, ClientFacts, Downstream, DownstreamTaker } from "../engine.ts";
import type { TlsFacts } from "#l7-router/listener/tls.ts";
import type { EarlyBytes } from "./bare.ts";

/** The client's side of one request on node:http. */
export class NodeDownstream implements Downstream {
  readonly head: RawHead;
  readonly message: IncomingMessage;
  readonly peer: string;
  readonly local: string;
  readonly tls: TlsFacts | undefined;
  readonly turnedAway: ClientFacts["turnedAway"];
  /** Resolves when the answer was sent or the connection has ended. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #socket: Duplex;
  readonly #early: EarlyBytes | undefined;
  readonly #informations = new Informations();
  #taker: DownstreamTaker | undefined;
  #hasBody = false;
  #isRead = false;
  #hasRoom = true;
  #isLast = false;
  #isUpgraded = false;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    facts: ClientFacts,
    early?: EarlyBytes,
  ) {
    this.head = {
      method: message.method ?? "",
      target: message.url ?? "",
      version: message.httpVersion,
      headers: message.rawHeaders,
    };
    this.message = message;
    this.#early = early;
    this.#socket = socket;
    this.peer = facts.peer;
    this.local = facts.local;
    this.tls = facts.tls;
    this.turnedAway = facts.turnedAway;
    this.#response = response;
    message.on("error", () => {}); // A lost client is told by its response.
    response.on("error", () => {});
    response.on("drain", () => {
      this.#hasRoom = true;
      this.#taker?.onClientRoom();
    });
    this.closed = new Promise((resolve) => {
      response.once("finish", () => this.#taken());
      response.once("close", () => {
        if (!response.writableFinished && !this.#isUpgraded) this.abort(clientGone());
        resolve();
      });
    });
  }

  /** Serves it. */
  start(taker: DownstreamTaker): void {
    this.#taker = taker;
    taker.begin();
  }

  /** Ends the request from outside: nobody waits for the answer, or the rest of it is invalid. */
  abort(error: TrafficError): void {
    this.#taker?.onClientError(error);
  }

  get isWhole(): boolean {
    return this.message.complete || !this.#hasBody;
  }

  /** The connection ends after this answer: what is pipelined behind it must not be served. */
  get isLast(): boolean {
    return this.#isLast || !this.#response.shouldKeepAlive;
  }

  get headSent(): boolean {
    return this.#response.headersSent;
  }

  /** The answer was handed over whole. */
  get answered(): boolean {
    return this.#response.writableEnded;
  }

  expectBody(framing: Framing): void {
    this.#hasBody = framing.kind !== "none";
  }

  resume(): void {
    if (!this.#isRead) this.#read();
    this.message.resume();
  }

  pause(): void {
    this.message.pause();
  }

  #read(): void {
    this.#isRead = true;
    this.message.on("data", (chunk: Buffer) => {
      this.#taker?.onBody(chunk);
      this.#taker?.onBodyFlush();
    });
    this.message.on("end", () => {
      this.#taker?.onBodyEnd(this.message.rawTrailers);
      this.#taker?.onBodyFlush();
    });
  }

  inform(status: number, headers: HeaderList): void {
    if (this.head.version === "1.0" || this.headSent || !this.#taker) return;
    if (!this.#informations.admits(status, headers, this.#socket.writableNeedDrain)) return;
    if (status === 100) this.#response.writeContinue();
    else this.#response.writeInformation(status, [...headers]);
  }

  send(status: number, headers: HeaderList, body: string, close: boolean): void {
    this.#writeHead(status, STATUS_CODES[status] ?? "", headers, close);
    this.#response.end(this.head.method === "HEAD" ? undefined : body);
  }

  /** @throws {TrafficError} UPSTREAM_INVALID if node:http takes a header for invalid */
  begin({ status, statusText, headers }: AnswerHead, close: boolean): void {
    this.#writeHead(status, statusText, headers, close);
    // An answer whose body takes its time shows its head now; one whose body is here goes out in one write.
    setImmediate(() => !this.#response.writableEnded && this.#response.flushHeaders());
  }

  write(chunk: Buffer): void {
    this.#hasRoom = this.#response.write(chunk);
  }

  end(trailers: HeaderList): void {
    if (trailers.length > 0 && this.#response.chunkedEncoding) this.#response.addTrailers(pairsOf(trailers));
    this.#response.end();
  }

  flush(): boolean {
    return this.#hasRoom;
  }

  switchProtocols(headers: HeaderList): Duplex {
    this.#isUpgraded = true;
    this.#taker = undefined;
    this.#response.detachSocket(this.#socket as never);
    const lines = ["HTTP/1.1 101 Switching Protocols"];
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
    this.#socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    this.#early?.giveBack();
    return this.#socket;
  }

  cut(): void {
    this.#taker = undefined;
    reset(this.#socket);
  }

  #taken(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    taker?.onTaken();
  }

  #writeHead(status: number, statusText: string, headers: HeaderList, close: boolean): void {
    const response = this.#response;
    const lines = close ? [...headers, "Connection", "close"] : [...headers];
    this.#isLast = close;
    this.#early?.drop();
    if (close && !this.isWhole) endLingering(this.#socket);
    if (this.head.version === "1.0") response.useChunkedEncodingByDefault = false; // even if it says TE: chunked
    try {
      response.writeHead(status, /^[\t\x20-\x7e\x80-\xff]*$/.test(statusText) ? statusText : "", lines);
    } catch (cause) {
      throw invalidAnswer("a header of the answer is invalid", cause);
    }
  }
}

function pairsOf(lines: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < lines.length; i += 2) pairs.push([lines[i] ?? "", lines[i + 1] ?? ""]);
  return pairs;
}
