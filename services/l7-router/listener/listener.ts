import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { Server, TLSSocket } from "node:tls";
import { formatAddress, formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import type { Sharing, TcpListener } from "#shared/net/listen.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Acceptor, AcceptorOptions, ClientFacts, Engine, ListenerLimits } from "#l7-router/engine/engine.ts";
import { Http2Acceptor } from "#l7-router/engine/h2/acceptor.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import { rawReply } from "#l7-router/reply.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import { Arrival } from "./arrival.ts";
import type { ArrivalOwner } from "./arrival.ts";
import type { Entry } from "./gate.ts";
import { tlsFactsOf, tlsOptions } from "./tls.ts";
import type { ListenerTls, TlsFacts } from "./tls.ts";

export interface ListenerOptions extends AcceptorOptions {
  readonly address: string;
  /** Without it plain HTTP. */
  readonly tls: ListenerTls | undefined;
  /** Takes HTTP/2 by prior knowledge, where there is no TLS. */
  readonly h2c: boolean;
  readonly sharing: Sharing | undefined;
  /** Speaks HTTP/1.1. */
  readonly engine: Engine;
  /** Whether a connection is taken, and what becomes of it otherwise. */
  enter(socket: Socket): Entry;
  /** A handshake is one too many, or a connection had no file descriptor left. */
  onConnectionRefused(by: "handshakes" | "descriptors"): void;
  /** A client did not get as far as HTTP. */
  onHandshakeFailed(): void;
}

/** An accepting socket. It brings every connection as far as HTTP, and hands it to whoever speaks its version: one port
 * serves HTTP/1.1 and HTTP/2. */
export class Listener implements ArrivalOwner {
  readonly wheel: Wheel;
  readonly #options: ListenerOptions;
  readonly #http1: Acceptor;
  readonly #http2: Acceptor;
  readonly #arrivals = new Set<Arrival>();
  /** Handshakes under way, by the ends of their connection: node:tls hands over another socket than it was given. */
  readonly #handshakes = new Map<string, Arrival>();
  readonly #tlsServer: Server | undefined;
  #limits: ListenerLimits;
  #tcp: TcpListener | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.wheel = options.wheel;
    this.#limits = options.limits;
    this.#http1 = options.engine.createAcceptor(options);
    this.#http2 = new Http2Acceptor(options);
    if (options.tls) this.#tlsServer = this.#createTlsServer(options.tls);
  }

  /** @throws {UsageError} naming address and port, if it is taken or not ours */
  async listen(): Promise<void> {
    const { address, sharing } = this.#options;
    const onConnection = (socket: Socket) => this.#accept(socket);
    const onRefused = () => this.#options.onConnectionRefused("descriptors");
    this.#tcp = await listenTcp({ address, sharing, allowHalfOpen: true, onConnection, onRefused });
  }

  /** The real "address:port". */
  get address(): string {
    return this.#tcp?.address ?? this.#options.address;
  }

  get connectionCount(): number {
    return this.#arrivals.size + this.#http1.connectionCount + this.#http2.connectionCount;
  }

  /** New limits count from the next connection, or the next head. */
  setLimits(limits: ListenerLimits): void {
    this.#limits = limits;
    this.#http1.setLimits(limits);
    this.#http2.setLimits(limits);
  }

  /** Stops accepting, and ends connections without a request; the others end after their next answer. */
  async close(): Promise<void> {
    await this.#tcp?.close();
    this.#tlsServer?.close();
    for (const arrival of this.#arrivals) arrival.endIfIdle();
    this.#http1.end();
    this.#http2.end();
  }

  /** Cuts every connection. */
  destroy(): void {
    for (const { socket } of this.#arrivals) socket.destroy();
    this.#http1.destroy();
    this.#http2.destroy();
  }

  #accept(socket: Socket): void {
    const { h2c } = this.#options;
    const entry = this.#options.enter(socket);
    if (entry === "reset") return void socket.resetAndDestroy();
    const turnedAway = entry === "taken" ? undefined : entry;
    if (!this.#tlsServer && !h2c) {
      socket.on("error", () => {}); // A reset is told by 'close'.
      return this.#http1.accept(socket, factsOf(socket, undefined, turnedAway), undefined);
    }
    if (this.#tlsServer && this.#handshakes.size >= this.#limits.handshakes) {
      this.#options.onConnectionRefused("handshakes");
      return void socket.resetAndDestroy();
    }
    const arrival = new Arrival(socket, this, this.#tlsServer ? this.#limits.handshakeMs : this.#limits.headMs);
    arrival.turnedAway = turnedAway;
    this.#arrivals.add(arrival);
    if (!this.#tlsServer) return arrival.read();
    arrival.ends = endsOf(socket);
    this.#handshakes.set(arrival.ends, arrival);
    this.#tlsServer.emit("connection", socket);
  }

  #createTlsServer(tls: ListenerTls): Server {
    const server = createServer(tlsOptions(tls), (socket) => this.#secured(socket));
    tls.certificates.attach(server);
    server.on("tlsClientError", (_error, socket) => {
      this.#options.onHandshakeFailed();
      socket.destroy();
    });
    return server;
  }

  #secured(socket: TLSSocket): void {
    const arrival = this.#handshakes.get(endsOf(socket));
    if (!arrival) return void socket.destroy(); // It has ended meanwhile.
    arrival.leave();
    this.onGone(arrival);
    socket.on("error", () => {});
    const acceptor = socket.alpnProtocol === "h2" ? this.#http2 : this.#http1;
    acceptor.accept(socket, factsOf(socket, tlsFactsOf(socket), arrival.turnedAway), undefined);
  }

  onHttp(arrival: Arrival, isHttp2: boolean, first: Buffer): void {
    this.onGone(arrival);
    const { socket, turnedAway } = arrival;
    (isHttp2 ? this.#http2 : this.#http1).accept(socket, factsOf(socket, undefined, turnedAway), first);
  }

  onSlowHead({ socket }: Arrival, answer: Refusal): void {
    this.#options.onRefused(answer);
    socket.write(rawReply(answer, STATUS_CODES[answer.status] ?? ""), "latin1");
  }

  onGone(arrival: Arrival): void {
    this.#arrivals.delete(arrival);
    this.#handshakes.delete(arrival.ends);
  }
}

function factsOf(socket: Socket, tls: TlsFacts | undefined, turnedAway: Refusal | undefined): ClientFacts {
  const bytes = parseAddress(socket.remoteAddress ?? "");
  return {
    peer: bytes ? formatAddress(bytes) : "",
    local: formatSocketAddress(socket.localAddress ?? "", socket.localPort ?? 0),
    tls,
    turnedAway,
  };
}

function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
