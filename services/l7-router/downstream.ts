import { STATUS_CODES } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex, Readable } from "node:stream";
import { TrafficError } from "#shared/core/error.ts";
import type { RawHead } from "./head.ts";
import { valueOf } from "./headers.ts";
import type { HeaderList } from "./headers.ts";
import type { EarlyBytes } from "./listener/bare.ts";
import { endLingering, reset } from "./listener/end.ts";
import { clientGone, pump } from "./pump.ts";
import type { StreamLimits } from "./pump.ts";

const informationsMax = 16; // 1xx answers passed on for one request: hints of a page, or a few minutes of 102s
const informationBytesMax = 65_536; // of their headers: as much as the head of an answer may have

/** The client's side of one request: its head and body, and the way back. */
export class Downstream {
  readonly head: RawHead;
  readonly message: IncomingMessage;
  readonly socket: Duplex;
  /** Address of the other end, without port. */
  readonly peer: string;
  /** Our "address:port" that the client has reached. */
  readonly local: string;
  /** Aborts when the client left before its answer was whole, or the rest of its request was invalid; the reason is a
   * TrafficError. */
  readonly signal: AbortSignal;
  /** Resolves when the answer was sent or the connection has ended. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #aborter = new AbortController();
  readonly #hasBody: boolean;
  readonly #early: EarlyBytes | undefined;
  #informations = 0;
  #informationBytes = 0;
  #isToldToContinue = false;
  #upgraded = false;
  #isLast = false;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    ends: { peer: string; local: string },
    early?: EarlyBytes,
  ) {
    this.head = {
      method: message.method ?? "",
      target: message.url ?? "",
      version: message.httpVersion,
      headers: message.rawHeaders,
    };
    this.message = message;
    // Said by the head: the parser calls a message complete only after it has told of it.
    this.#hasBody = isFramed(message.rawHeaders);
    this.#early = early;
    this.socket = socket;
    this.peer = ends.peer;
    this.local = ends.local;
    this.signal = this.#aborter.signal;
    this.#response = response;
    message.on("error", () => {}); // A cut body is told by RequestBody, a lost client below.
    response.on("error", () => {});
    this.closed = new Promise((resolve) => {
      response.once("close", () => {
        if (!response.writableFinished && !this.#upgraded) this.abort(clientGone());
        resolve();
      });
    });
  }

  /** Ends the request from outside: nobody waits for the answer, or none can be given. */
  abort(error: TrafficError): void {
    this.#aborter.abort(error);
  }

  /** Every byte of the request has come. */
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

  /** A 1xx on its way to the final answer. HTTP/1.0 knows none. Beyond a 100 they are hints: those that are too many, or
   * that the client is too slow for, are dropped. */
  inform(status: number, headers: HeaderList): void {
    if (this.head.version === "1.0" || this.headSent || this.signal.aborted) return;
    if (status === 100) {
      if (!this.#isToldToContinue) this.#response.writeContinue();
      this.#isToldToContinue = true;
      return;
    }
    this.#informations++;
    for (const text of headers) this.#informationBytes += text.length;
    if (this.#informations > informationsMax || this.#informationBytes > informationBytesMax) return;
    if (!this.socket.writableNeedDrain) this.#response.writeInformation(status, [...headers]);
  }

  /** Sends a whole answer.
   * @param close the connection ends after it */
  send(status: number, headers: HeaderList, body: string, close: boolean): void {
    this.#writeHead(status, STATUS_CODES[status] ?? "", headers, close);
    this.#response.end(this.head.method === "HEAD" ? undefined : body);
  }

  /** Sends an answer as it comes; resolves when the client's kernel has it all.
   * @throws {TrafficError} UPSTREAM_RESET if the body is cut: the client's connection has then been reset, so that it
   * never looks whole; CLIENT_GONE; IDLE */
  async stream(
    answer: { status: number; statusText: string; headers: HeaderList; body: Readable; trailers: () => HeaderList },
    close: boolean,
    limits: StreamLimits,
  ): Promise<void> {
    this.signal.throwIfAborted();
    this.#writeHead(answer.status, answer.statusText, answer.headers, close);
    try {
      await pump(answer.body, this.#response, answer.trailers, limits);
    } catch (error) {
      reset(this.socket);
      throw error;
    }
  }

  /** Answers 101 and hands over the bare connection. */
  switchProtocols(headers: HeaderList): Duplex {
    this.#upgraded = true;
    this.#response.detachSocket(this.socket as never);
    const lines = ["HTTP/1.1 101 Switching Protocols"];
    for (let i = 0; i < headers.length; i += 2) lines.push(`${headers[i]}: ${headers[i + 1]}`);
    this.socket.write(`${lines.join("\r\n")}\r\n\r\n`, "latin1");
    this.#early?.giveBack();
    return this.socket;
  }

  /** Ends the connection so that nothing half-sent looks whole. */
  cut(): void {
    reset(this.socket);
  }

  #writeHead(status: number, statusText: string, headers: HeaderList, close: boolean): void {
    const response = this.#response;
    const lines = close ? [...headers, "Connection", "close"] : [...headers];
    this.#isLast = close;
    this.#early?.drop();
    if (close && !this.isWhole) endLingering(this.socket);
    if (this.head.version === "1.0") response.useChunkedEncodingByDefault = false; // even if it says TE: chunked
    try {
      response.writeHead(status, /^[\t\x20-\x7e\x80-\xff]*$/.test(statusText) ? statusText : "", lines);
    } catch (cause) {
      throw new TrafficError("UPSTREAM_INVALID", "a header of the answer is invalid", { origin: "upstream", cause });
    }
  }
}

/** A length of 0 is no body. */
function isFramed(headers: HeaderList): boolean {
  const length = valueOf(headers, "content-length");
  return (length !== undefined && !/^0+$/.test(length)) || valueOf(headers, "transfer-encoding") !== undefined;
}
