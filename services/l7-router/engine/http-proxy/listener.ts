import { STATUS_CODES, createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { createServer as createTlsServer } from "node:https";
import type { Server as TlsServer } from "node:https";
import type { Duplex } from "node:stream";
import { formatAddress, formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import { listenServer } from "#shared/net/listen.ts";
import { linger, reset } from "#l7-router/end.ts";
import { asksForWebSocket } from "#l7-router/head.ts";
import { rawReply } from "#l7-router/reply.ts";
import { RefusedError } from "#l7-router/refusal.ts";
import type { Listener, ListenerLimits, ListenerOptions } from "../engine.ts";
import { tlsFactsOf, tlsOptions } from "../listener-tls.ts";
import type { ListenerTls, TlsFacts } from "../listener-tls.ts";
import { EarlyBytes, responseOnBareSocket } from "./bare.ts";
import { refusalOfClientError } from "./client-error.ts";
import { NodeDownstream } from "./downstream.ts";
import { Turns } from "./turns.ts";

const headCheckMs = 500; // how much later than its limit a slow head may be noticed

/** One connection of a client. */
interface Connection {
  readonly turns: Turns;
  readonly peer: string;
  readonly local: string;
  readonly tls: TlsFacts | undefined;
  current: NodeDownstream | undefined;
}

/** An HTTP/1.1 listener: node:http's strict parser, our answers. */
export class NodeListener implements Listener {
  readonly #server: Server | TlsServer;
  readonly #options: ListenerOptions;
  readonly #connections = new WeakMap<Duplex, Connection>();
  readonly #sockets = new Set<Socket>();
  #listener: TcpListener | undefined;
  #isClosing = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    const { tls, limits } = options;
    const http = {
      insecureHTTPParser: false,
      requireHostHeader: false, // We say why ourselves.
      connectionsCheckingInterval: headCheckMs,
      requestTimeout: 0, // A body has as long as it keeps coming.
      keepAliveTimeoutBuffer: 0,
      shouldUpgradeCallback: (message: IncomingMessage) =>
        asksForWebSocket({ version: message.httpVersion, headers: message.rawHeaders }),
    };
    this.#server = tls ? createTlsServer({ ...http, ...tlsOptions(tls, limits.headMs) }) : createServer(http);
    this.setLimits(limits);
    this.#server.on(tls ? "secureConnection" : "connection", (socket: Socket) => this.#accept(socket));
    if (tls) this.#guardHandshakes(tls);
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
  }

  async listen(): Promise<void> {
    const { address, sharing } = this.#options;
    this.#listener = await listenServer(this.#server, address, trafficLimit, sharing);
  }

  get address(): string {
    return this.#listener?.address ?? this.#options.address;
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

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#listener?.close();
    this.#server.closeIdleConnections();
  }

  destroy(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {}); // A reset is told by 'close', also once node:http has let go of the socket.
    socket.once("close", () => this.#sockets.delete(socket));
    const bytes = parseAddress(socket.remoteAddress ?? "");
    this.#connections.set(socket, {
      turns: new Turns(),
      peer: bytes ? formatAddress(bytes) : "",
      local: formatSocketAddress(socket.localAddress ?? "", socket.localPort ?? 0),
      tls: tlsFactsOf(socket),
      current: undefined,
    });
  }

  #guardHandshakes({ certificates }: ListenerTls): void {
    const server = this.#server as TlsServer;
    certificates.attach(server);
    server.on("tlsClientError", (_error, socket) => {
      this.#options.onHandshakeFailed();
      socket.destroy();
    });
  }

  #take(message: IncomingMessage, stream: Duplex, respond: () => ServerResponse, early?: EarlyBytes): void {
    const connection = this.#connections.get(message.socket);
    if (!connection) return void stream.destroy();
    if (stream !== message.socket) stream.on("error", () => {});
    const { turns } = connection;
    const start = async () => {
      if (stream.destroyed || turns.isClosed) return;
      const downstream = new NodeDownstream(message, respond(), stream, connection, early);
      connection.current = downstream;
      downstream.start(this.#options.serve(downstream, turns.isLast || this.#isClosing));
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
