import { STATUS_CODES, ServerResponse } from "node:http";
import type { IncomingMessage } from "node:http";
import type { Duplex, Readable } from "node:stream";
import type { Clock } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { RawHead } from "./head.ts";
import type { HeaderList } from "./headers.ts";
import { IdleTimer } from "./idle-timer.ts";
import { endLingering, reset } from "./listener/end.ts";

export interface StreamLimits {
  readonly clock: Clock;
  /** The server says nothing. */
  readonly silentMs: number;
  /** The client takes nothing. */
  readonly blockedMs: number;
}

const framingHeader = /^(?:content-length|transfer-encoding)$/i;

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
  #upgraded = false;
  #isLast = false;

  constructor(
    message: IncomingMessage,
    response: ServerResponse,
    socket: Duplex,
    ends: { peer: string; local: string },
  ) {
    this.head = {
      method: message.method ?? "",
      target: message.url ?? "",
      version: message.httpVersion,
      headers: message.rawHeaders,
    };
    this.message = message;
    // Said by the head: the parser calls a message complete only after it has told of it.
    this.#hasBody = message.rawHeaders.some((name, i) => i % 2 === 0 && framingHeader.test(name));
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

  /** A 1xx on its way to the final answer. HTTP/1.0 knows none. */
  inform(status: number, headers: HeaderList): void {
    if (this.head.version === "1.0" || this.headSent || this.signal.aborted) return;
    if (status === 100) this.#response.writeContinue();
    else this.#response.writeInformation(status, [...headers]);
  }

  /** Sends a whole answer.
   * @param close the connection ends after it */
  send(status: number, headers: HeaderList, body: string, close: boolean): void {
    this.#writeHead(status, STATUS_CODES[status] ?? "", headers, close);
    this.#response.end(this.head.method === "HEAD" ? undefined : body);
  }

  /** Sends an answer as it comes; resolves when the client's kernel has it all.
   * @throws {TrafficError} UPSTREAM_RESET if the body is cut: the client's connection has then been reset, so that it
   * never looks whole; CLIENT_GONE; TIMEOUT */
  async stream(
    answer: { status: number; statusText: string; headers: HeaderList; body: Readable; trailers: () => HeaderList },
    close: boolean,
    limits: StreamLimits,
  ): Promise<void> {
    this.signal.throwIfAborted();
    this.#writeHead(answer.status, answer.statusText, answer.headers, close);
    try {
      await this.#pump(answer.body, answer.trailers, limits);
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
    if (close && !this.isWhole) endLingering(this.socket);
    if (this.head.version === "1.0") response.useChunkedEncodingByDefault = false; // even if it says TE: chunked
    try {
      response.writeHead(status, /^[\t\x20-\x7e\x80-\xff]*$/.test(statusText) ? statusText : "", lines);
    } catch (cause) {
      throw new TrafficError("UPSTREAM_INVALID", "a header of the answer is invalid", { origin: "upstream", cause });
    }
  }

  #pump(body: Readable, trailers: () => HeaderList, limits: StreamLimits): Promise<void> {
    const response = this.#response;
    return new Promise((resolve, reject) => {
      const { clock } = limits;
      let blocked: IdleTimer | undefined;
      const silent = new IdleTimer(clock, limits.silentMs, () => !blocked && settle(stalled("server")));
      const settle = (error?: TrafficError) => {
        silent.cancel();
        blocked?.cancel();
        if (!error) return resolve();
        body.destroy();
        reject(error);
      };
      body.on("data", (chunk: Buffer) => {
        silent.touch();
        if (response.write(chunk)) return;
        body.pause();
        blocked ??= new IdleTimer(clock, limits.blockedMs, () => settle(stalled("client")));
      });
      response.on("drain", () => {
        blocked?.cancel();
        blocked = undefined;
        silent.touch();
        body.resume();
      });
      body.on("end", () => {
        silent.cancel();
        blocked ??= new IdleTimer(clock, limits.blockedMs, () => settle(stalled("client")));
        const lines = trailers();
        if (lines.length > 0 && response.chunkedEncoding) response.addTrailers(pairsOf(lines));
        response.end();
      });
      body.on("error", () => settle(cut()));
      body.on("close", () => !body.readableEnded && settle(cut()));
      response.once("finish", () => settle());
      response.once("close", () => !response.writableFinished && settle(clientGone()));
      // An answer whose body takes its time shows its head now; one whose body is here goes out in one write.
      setImmediate(() => !response.writableEnded && response.flushHeaders());
    });
  }
}

/** The client's side of an upgrade request: node:http gives the bare connection, the answer is still HTTP. */
export function responseOnBareSocket(message: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(message);
  response.shouldKeepAlive = false; // No parser reads this connection any more.
  response.assignSocket(socket as never);
  response.once("finish", () => {
    response.detachSocket(socket as never);
    socket.end();
    response.emit("close");
  });
  return response;
}

function pairsOf(lines: HeaderList): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < lines.length; i += 2) pairs.push([lines[i] ?? "", lines[i + 1] ?? ""]);
  return pairs;
}

function clientGone(): TrafficError {
  return new TrafficError("CLIENT_GONE", "the client left before its answer was whole", { origin: "downstream" });
}

function cut(): TrafficError {
  return new TrafficError("UPSTREAM_RESET", "the server left within its answer", { origin: "upstream" });
}

function stalled(who: "server" | "client"): TrafficError {
  return new TrafficError("IDLE", `the ${who} stood still within the answer`, {
    origin: who === "server" ? "upstream" : "downstream",
  });
}
