import { EventEmitter } from "node:events";
import type { ClientRequest, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Readable } from "node:stream";
import type httpProxy from "http-proxy";
import { TrafficError, codeOf, messageOf } from "#shared/core/error.ts";
import { tokensOf, valuesOf } from "#l7-router/headers.ts";
import { cutUse } from "#l7-router/upstream/connection.ts";
import type { UpstreamConnection } from "#l7-router/upstream/connection.ts";
import type { Engine, Exchange, UpstreamAnswer, UpstreamEvents, UpstreamRequest, UpstreamUpgrade } from "../engine.ts";
import { createAgent } from "./agent.ts";
import { createProxyServer } from "./load.ts";

/** http-proxy 1.18.1 sends the request; connection, head, framing and the answer are ours (see agent.ts), because as
 * shipped it forwards hop-by-hop headers, sends chunked bodies of DELETE and OPTIONS unframed, and hides a cut answer. */
export function createHttpProxyEngine(): Engine {
  const proxy = createProxyServer();
  return {
    name: "http-proxy",
    exchange: (connection, request, events) => new HttpProxyExchange(proxy, connection, request, events),
  };
}

class HttpProxyExchange implements Exchange {
  readonly answer: Promise<UpstreamAnswer | UpstreamUpgrade>;
  readonly #connection: UpstreamConnection;
  readonly #request: UpstreamRequest;
  readonly #events: UpstreamEvents;
  readonly #use: number;
  readonly #bytesBefore: number;
  #resolve: (answer: UpstreamAnswer | UpstreamUpgrade) => void = () => {};
  #reject: (error: Error) => void = () => {};
  #response: IncomingMessage | undefined;
  #cancelled: Error | undefined;

  constructor(proxy: httpProxy, connection: UpstreamConnection, request: UpstreamRequest, events: UpstreamEvents) {
    this.#connection = connection;
    this.#use = connection.uses;
    this.#request = request;
    this.#events = events;
    this.#bytesBefore = connection.socket.bytesRead;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.answer.catch(() => {}); // A cancelled exchange may have nobody waiting any more.
    connection.answered = () => this.#response?.complete ?? false;
    try {
      this.#send(proxy);
    } catch (error) {
      this.cancel(new TrafficError("UPSTREAM_INVALID", messageOf(error), { origin: "internal", cause: error }));
    }
  }

  cancel(error: Error): void {
    this.#cancelled ??= error;
    cutUse(this.#connection, this.#use);
    this.#reject(error);
  }

  #send(proxy: httpProxy): void {
    const { endpoint } = this.#connection;
    const { method, body } = this.#request;
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
        agent: createAgent(this.#connection, this.#request, (client) => this.#listen(client)),
        buffer: body ?? Readable.from([]),
        toProxy: true, // no url.parse() of the target
        selfHandleResponse: true,
        xfwd: false,
      },
      (error) => this.#failed(error),
    );
  }

  #listen(client: ClientRequest): void {
    client.on("information", ({ statusCode, rawHeaders }) => this.#events.onInformation(statusCode, rawHeaders));
    client.on("response", (response: IncomingMessage) => this.#answered(response));
    client.on("upgrade", (response: IncomingMessage, socket: Socket, first: Buffer) =>
      this.#upgraded(response, socket, first),
    );
    client.on("close", () => this.#failed(new Error("closed"))); // The last word where no error was said.
    this.#connection.socket.once("free", () => this.#events.onFree());
  }

  #answered(response: IncomingMessage): void {
    this.#response = response;
    response.on("error", () => {}); // Whoever reads the body hears of it; before that, nobody needs to.
    const { statusCode: status = 0, httpVersion: version } = response;
    if (status > 599 || (version !== "1.1" && version !== "1.0"))
      // node's parser takes HTTP/2.0 and 999
      return this.cancel(invalid("a status line that HTTP/1.1 does not know"));
    const codings = valuesOf(response.rawHeaders, "transfer-encoding");
    const framedWrong =
      codings.length > 0 && (version !== "1.1" || codings.length > 1 || codings[0]?.trim().toLowerCase() !== "chunked");
    if (framedWrong) return this.cancel(invalid("a transfer coding other than chunked"));
    const answer: UpstreamAnswer = {
      kind: "answer",
      status,
      statusText: response.statusMessage ?? "",
      version,
      headers: response.rawHeaders,
      body: response,
      trailers: () => response.rawTrailers,
    };
    // Not before the parser is through with this packet: what is invalid further on is still a 502 instead of a reset.
    process.nextTick(() => this.#resolve(answer));
  }

  #upgraded(response: IncomingMessage, socket: Socket, first: Buffer): void {
    const switched = tokensOf(response.rawHeaders, "upgrade").includes("websocket");
    if (!this.#request.upgrade || !switched) {
      socket.on("error", () => {});
      return this.cancel(invalid("a 101 that nobody asked for"));
    }
    this.#connection.answered = () => false; // From now on every byte is the client's.
    this.#resolve({ kind: "upgrade", headers: response.rawHeaders, socket, first });
  }

  #failed(error: unknown): void {
    if (this.#cancelled) return this.#reject(this.#cancelled);
    if (this.#response?.complete) return; // Only what came behind the answer was wrong: the connection is ended for it.
    if (codeOf(error).startsWith("HPE_")) return this.cancel(invalid(messageOf(error)));
    const silent = this.#connection.socket.bytesRead === this.#bytesBefore;
    this.#reject(
      new TrafficError("UPSTREAM_RESET", `the connection ended ${silent ? "before" : "within"} the answer`, {
        origin: "upstream",
        retryable: silent,
        cause: error,
      }),
    );
  }
}

function invalid(message: string): TrafficError {
  return new TrafficError("UPSTREAM_INVALID", message, { origin: "upstream" });
}
