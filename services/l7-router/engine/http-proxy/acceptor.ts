import { STATUS_CODES, createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { linger, reset } from "#l7-router/end.ts";
import { asksForWebSocket } from "#l7-router/head.ts";
import { rawReply } from "#l7-router/reply.ts";
import { RefusedError } from "#l7-router/refusal.ts";
import type { Acceptor, AcceptorOptions, ClientFacts, ListenerLimits } from "../engine.ts";
import { EarlyBytes, responseOnBareSocket } from "./bare.ts";
import { refusalOfClientError } from "./client-error.ts";
import { NodeDownstream } from "./downstream.ts";
import { Turns } from "./turns.ts";

const headCheckMs = 500; // how much later than its limit a slow head may be noticed

/** One connection of a client. */
interface Connection {
  readonly turns: Turns;
  readonly facts: ClientFacts;
  current: NodeDownstream | undefined;
}

/** HTTP/1.1 by node:http's strict parser, with our answers. */
export class NodeAcceptor implements Acceptor {
  readonly #server: Server;
  readonly #options: AcceptorOptions;
  readonly #connections = new WeakMap<Duplex, Connection>();
  readonly #sockets = new Set<Socket>();
  #isEnding = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#server = createServer({
      insecureHTTPParser: false,
      requireHostHeader: false, // We say why ourselves.
      connectionsCheckingInterval: headCheckMs,
      requestTimeout: 0, // A body has as long as it keeps coming.
      keepAliveTimeoutBuffer: 0,
      shouldUpgradeCallback: (message: IncomingMessage) =>
        asksForWebSocket({ version: message.httpVersion, headers: message.rawHeaders }),
    });
    this.setLimits(options.limits);
    const onRequest = (message: IncomingMessage, response: ServerResponse) =>
      this.#take(message, message.socket, () => response);
    this.#server.on("request", onRequest);
    this.#server.on("checkContinue", onRequest);
    this.#server.on("checkExpectation", onRequest);
    const onBare = (message: IncomingMessage, socket: Duplex, first: Buffer) => {
      const early = new EarlyBytes(socket, first);
      this.#take(message, socket, () => responseOnBareSocket(message, socket), early);
    };
    this.#server.on("upgrade", onBare);
    this.#server.on("connect", onBare);
    this.#server.on("clientError", (error, socket) => this.#refuseBytes(error, socket));
    this.#server.emit("listening"); // From then on node:http watches time limits; it listens nowhere itself.
  }

  accept(socket: Socket, facts: ClientFacts, first: Buffer | undefined): void {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#connections.set(socket, { turns: new Turns(), facts, current: undefined });
    if (first) socket.unshift(first);
    this.#server.emit("connection", socket);
  }

  get connectionCount(): number {
    return this.#sockets.size;
  }

  setLimits(limits: ListenerLimits): void {
    const server = this.#server as Server & { maxHeaderSize: number };
    server.maxHeaderSize = limits.headerBytes; // read at every connection
    server.maxHeadersCount = 0; // 431 is ours: node:http would drop the excess silently
    server.headersTimeout = limits.headMs;
    server.keepAliveTimeout = limits.idleMs;
  }

  end(): void {
    this.#isEnding = true;
    this.#server.closeIdleConnections();
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close(); // ends the watch
  }

  #take(message: IncomingMessage, stream: Duplex, respond: () => ServerResponse, early?: EarlyBytes): void {
    const connection = this.#connections.get(message.socket);
    if (!connection) return void stream.destroy();
    if (stream !== message.socket) stream.on("error", () => {});
    const { turns } = connection;
    const start = async () => {
      if (stream.destroyed || turns.isClosed) return;
      const downstream = new NodeDownstream(message, respond(), stream, connection.facts, early);
      connection.current = downstream;
      downstream.start(this.#options.serve(downstream, turns.isLast || this.#isEnding));
      await downstream.closed;
      if (downstream.isLast) turns.close();
      connection.current = undefined;
    };
    // Nothing is read any more once no room is left: the answer to the last one that had room ends the connection.
    if (!turns.take(start, headBytes(message))) message.socket.pause();
  }

  #refuseBytes(error: unknown, socket: Duplex): void {
    const connection = this.#connections.get(socket);
    const refused = refusalOfClientError(error);
    if (!connection || !refused || !socket.writable) {
      socket.destroy();
      return;
    }
    const { turns, current } = connection;
    if (turns.isClosed) return;
    // Bytes behind a request that came whole are the next one's: that is answered first.
    if (current && !current.message.complete) {
      turns.close();
      if (current.answered) return; // A refused head: its answer is on its way.
      if (current.headSent) return reset(socket);
      return current.abort(new RefusedError(refused));
    }
    const answer = async () => {
      if (!socket.writable) return;
      turns.close();
      this.#options.onRefused(refused);
      socket.write(rawReply(refused, STATUS_CODES[refused.status] ?? ""), "latin1");
      linger(socket);
    };
    if (!turns.take(answer, 0)) reset(socket);
  }
}

function headBytes(message: IncomingMessage): number {
  let bytes = message.url?.length ?? 0;
  for (const text of message.rawHeaders) bytes += text.length;
  return bytes;
}
