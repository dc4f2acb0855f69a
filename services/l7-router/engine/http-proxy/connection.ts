import { EventEmitter } from "node:events";
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type httpProxy from "http-proxy";
import type { TrafficError } from "#shared/core/error.ts";
import { codeOf, messageOf } from "#shared/core/error.ts";
import { tokensOf, valuesOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { invalidAnswer, lost } from "#l7-router/upstream/connection.ts";
import type { ConnectionFacts, UpstreamConnection } from "#l7-router/upstream/connection.ts";
import type { AnswerFraming, UpstreamRequest, UpstreamTaker } from "../engine.ts";
import { createAgent } from "./agent.ts";

/** One connection to a server, over which http-proxy sends one request after the other. */
export class HttpProxyConnection implements UpstreamConnection {
  readonly facts: ConnectionFacts;
  uses = 0;
  readonly #proxy: httpProxy;
  #exchange: Exchange | undefined;

  constructor(facts: ConnectionFacts, proxy: httpProxy) {
    const { socket } = facts;
    this.facts = facts;
    this.#proxy = proxy;
    // Bytes that no request has asked for would be taken for the answer to the next one. This listener is older than any
    // parser's, so it sees them first.
    socket.on("data", () => {
      if (!this.#exchange || this.#exchange.isAnswered) socket.destroy();
    });
    socket.on("end", () => {
      if (!this.#exchange) socket.destroy();
    });
  }

  get isUsable(): boolean {
    const { socket } = this.facts;
    return !socket.destroyed && socket.writable && !socket.readableEnded;
  }

  send(request: UpstreamRequest, taker: UpstreamTaker): void {
    this.uses++;
    const exchange = new Exchange(this.facts, request, taker, () => this.#free(exchange));
    this.#exchange = exchange;
    exchange.start(this.#proxy);
  }

  write(chunk: Buffer): void {
    this.#exchange?.write(chunk);
  }

  end(trailers: HeaderList): void {
    this.#exchange?.end(trailers);
  }

  flush(): boolean {
    return this.#exchange?.hasRoom ?? true;
  }

  pause(): void {
    this.#exchange?.pause();
  }

  resume(): void {
    this.#exchange?.resume();
  }

  cancel(taker: UpstreamTaker): void {
    if (this.#exchange?.taker !== taker) return;
    this.#exchange.isOver = true;
    this.destroy();
  }

  destroy(): void {
    this.facts.socket.destroy();
  }

  #free(exchange: Exchange): void {
    if (this.#exchange !== exchange) return;
    this.#exchange = undefined;
    this.facts.socket.resume(); // so that bytes or an end that come while it is idle are seen
    this.facts.release(this);
  }
}

/** One request on it. */
class Exchange {
  readonly taker: UpstreamTaker;
  /** Nothing is told any more. */
  isOver = false;
  hasRoom = true;
  readonly #facts: ConnectionFacts;
  readonly #request: UpstreamRequest;
  readonly #onFree: () => void;
  readonly #bytesBefore: number;
  readonly #body: Readable | undefined;
  #client: ClientRequest | undefined;
  #response: IncomingMessage | undefined;
  #trailers: HeaderList = [];

  constructor(facts: ConnectionFacts, request: UpstreamRequest, taker: UpstreamTaker, onFree: () => void) {
    this.#facts = facts;
    this.#request = request;
    this.taker = taker;
    this.#onFree = onFree;
    this.#bytesBefore = facts.socket.bytesRead;
    if (request.framing.kind !== "none") this.#body = this.#createBody();
  }

  get isAnswered(): boolean {
    return this.#response?.complete ?? false;
  }

  start(proxy: httpProxy): void {
    const { endpoint, socket } = this.#facts;
    const { method } = this.#request;
    try {
      proxy.web(
        // http-proxy reads no more of a request than this; the head is written by the agent.
        Object.assign(new EventEmitter(), {
          method,
          url: "/",
          headers: {},
          socket: { destroyed: false },
        }) as unknown as IncomingMessage,
        { headersSent: false, finished: false } as unknown as ServerResponse,
        {
          target: { protocol: "http:", host: endpoint.host, port: endpoint.port },
          agent: createAgent(socket, this.#request, (client) => this.#listen(client)),
          buffer: this.#body ?? Readable.from([]),
          toProxy: true, // no url.parse() of the target
          selfHandleResponse: true,
          xfwd: false,
        },
        (error) => this.#failed(error),
      );
    } catch (error) {
      this.#fail(invalidAnswer(messageOf(error), error));
    }
  }

  write(chunk: Buffer): void {
    this.hasRoom = this.#body?.push(chunk) ?? true;
  }

  end(trailers: HeaderList): void {
    this.#trailers = trailers;
    this.#body?.push(null);
  }

  pause(): void {
    this.#response?.pause();
  }

  resume(): void {
    this.#response?.resume();
  }

  #createBody(): Readable {
    const body = new Readable({
      read: () => {
        if (this.hasRoom) return;
        this.hasRoom = true;
        if (!this.isOver) this.taker.onServerRoom();
      },
    });
    body.once("end", () => {
      const pairs: [string, string][] = [];
      for (let i = 0; i < this.#trailers.length; i += 2)
        pairs.push([this.#trailers[i] ?? "", this.#trailers[i + 1] ?? ""]);
      this.#client?.addTrailers(pairs);
    });
    return body;
  }

  #listen(client: ClientRequest): void {
    this.#client = client;
    client.on("information", ({ statusCode, rawHeaders }) => {
      if (!this.isOver) this.taker.onInformation(statusCode, rawHeaders);
    });
    client.on("response", (response: IncomingMessage) => this.#answered(response));
    client.on("upgrade", (response: IncomingMessage, socket: Socket, first: Buffer) =>
      this.#upgraded(response, socket, first),
    );
    client.on("close", () => this.#failed(new Error("closed"))); // The last word where no error was said.
    this.#facts.socket.once("free", this.#onFree);
  }

  #answered(response: IncomingMessage): void {
    this.#response = response;
    response.on("error", () => {}); // 'close' tells of it.
    const { statusCode: status = 0, httpVersion: version, rawHeaders: headers } = response;
    if (status > 599 || (version !== "1.1" && version !== "1.0"))
      // node's parser takes HTTP/2.0 and 999
      return this.#fail(invalidAnswer("a status line that HTTP/1.1 does not know"));
    const codings = valuesOf(headers, "transfer-encoding");
    const framedWrong =
      codings.length > 0 && (version !== "1.1" || codings.length > 1 || codings[0]?.trim().toLowerCase() !== "chunked");
    if (framedWrong) return this.#fail(invalidAnswer("a transfer coding other than chunked"));
    response.pause();
    // Not before the parser is through with this packet: what is invalid further on is still a 502 instead of a reset.
    process.nextTick(() => this.#handOn(response, status));
  }

  #handOn(response: IncomingMessage, status: number): void {
    if (this.isOver) return;
    const { rawHeaders: headers, statusMessage: statusText = "" } = response;
    response.on("data", (chunk: Buffer) => {
      if (this.isOver) return;
      this.taker.onAnswerBody(chunk);
      this.taker.onAnswerFlush();
    });
    response.on("end", () => {
      if (this.isOver) return;
      this.isOver = true;
      this.taker.onAnswerEnd(response.rawTrailers);
    });
    response.on("close", () => this.#fail(lost(false)));
    const isBodiless = this.#request.method === "HEAD" || status === 204 || status === 304;
    this.taker.onAnswer({ status, statusText, headers, framing: isBodiless ? { kind: "none" } : framingOf(headers) });
    response.resume();
  }

  #upgraded(response: IncomingMessage, socket: Socket, first: Buffer): void {
    const switched = tokensOf(response.rawHeaders, "upgrade").includes("websocket");
    if (!this.#request.upgrade || !switched) {
      socket.on("error", () => {});
      return this.#fail(invalidAnswer("a 101 that nobody asked for"));
    }
    if (this.isOver) return void socket.destroy();
    this.isOver = true;
    this.taker.onUpgrade(response.rawHeaders, socket, first);
  }

  #failed(error: unknown): void {
    if (this.isOver || this.#response?.complete) return; // Only what came behind the answer was wrong.
    if (codeOf(error).startsWith("HPE_")) return this.#fail(invalidAnswer(messageOf(error), error));
    this.#fail(lost(this.#facts.socket.bytesRead === this.#bytesBefore, error));
  }

  #fail(error: TrafficError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#facts.socket.destroy();
    this.taker.onServerError(error);
  }
}

/** node:http has taken care of it already; this is for whoever passes it on. */
function framingOf(headers: HeaderList): AnswerFraming {
  const [length] = valuesOf(headers, "content-length");
  if (length !== undefined) return { kind: "length", bytes: Number(length) };
  return { kind: valuesOf(headers, "transfer-encoding").length > 0 ? "chunked" : "close" };
}
