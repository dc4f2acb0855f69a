import type { Socket } from "node:net";
import type { OriginServerConfig } from "#shared/config/schema/origin.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError, assert, messageOf } from "#shared/core/error.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import type { UdpOptions } from "#shared/net/listen-udp.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { acceptProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Host } from "#shared/server/service.ts";
import { Gate } from "./gate.ts";
import type { Connection, Kind, ServerContext, UdpKind } from "./kinds/kind.ts";

const connectionsMax = 4_096; // of one server; 84 servers share the descriptors of one process
const proxyHeaderTimeoutMs = 5_000; // forwarders send it with the first packet

export type ServerState = "running" | "stopped" | "hung" | "slow";

/** What a drill makes of a server. */
export type Drill =
  | { readonly state: "running" | "stopped" | "hung" }
  | { readonly state: "slow"; readonly delayMs: number };

/** One server as `GET /status` shows it. */
export interface ServerStatus extends Record<string, unknown> {
  readonly name: string;
  readonly service: string;
  readonly address: string;
  readonly state: ServerState;
  readonly delayMs: number;
  readonly requests: number;
  readonly connections: number;
  readonly proxyHeadersRefused: number;
}

export interface ServerOptions {
  readonly config: OriginServerConfig;
  readonly zone: string | undefined;
  readonly region: string | undefined;
  readonly host: Host;
  readonly isDraining: () => boolean;
  readonly createKind: (context: ServerContext) => Kind;
}

/** One server of the zone: its listener, its connections and its drills. What it answers is its kind's. */
export class OriginServer {
  readonly config: OriginServerConfig;
  readonly #host: Host;
  readonly #gate: Gate;
  readonly #kind: Kind;
  readonly #connections = new Set<Socket>();
  #address: string;
  #listener: { readonly address: string; close(): Promise<void> } | undefined;
  #turn: Promise<void> = Promise.resolve();
  #onEmpty: (() => void) | undefined;
  #ended = false;
  #requests = 0;
  #proxyHeadersRefused = 0;

  constructor(options: ServerOptions) {
    const { config, host } = options;
    this.config = config;
    this.#host = host;
    this.#address = config.address;
    this.#gate = new Gate(host.clock);
    const address = parseSocketAddress(config.address);
    assert(address, `${config.address} was validated with the config`);
    this.#kind = options.createKind({
      identity: {
        server: config.name,
        service: config.service,
        zone: options.zone ?? null,
        region: options.region ?? null,
      },
      host: address.host,
      clock: host.clock,
      random: host.random,
      log: host.log,
      gate: this.#gate,
      jobs: config.jobs,
      get draining() {
        return options.isDraining();
      },
      answered: () => {
        this.#requests++;
        host.metrics.count("watershed_origin_requests_total", { server: config.name });
      },
    });
  }

  /** The real "address:port" once it has listened. */
  get address(): string {
    return this.#address;
  }

  get state(): ServerState {
    if (!this.#listener) return "stopped";
    if (this.#gate.hung) return "hung";
    return this.#gate.delayMs > 0 ? "slow" : "running";
  }

  /** @throws {UsageError} naming address and port, if it is taken or not ours */
  start(): Promise<void> {
    return this.#inTurn(() => this.#listen());
  }

  /** Makes of the server what the drill wants, whatever it is now.
   * @throws {UsageError} if the port was taken while the server was stopped, or the process is about to end */
  apply(drill: Drill): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#ended) throw new UsageError(`${this.config.name} is stopping for good`);
      const before = this.state;
      if (drill.state === "stopped") await this.#stop();
      else {
        if (drill.state === "hung") this.#gate.hang();
        else if (drill.state === "slow") this.#gate.slow(drill.delayMs);
        else this.#gate.open();
        await this.#listen();
      }
      if (before === this.state && drill.state !== "slow") return;
      const facts = { server: this.config.name, address: this.#address, ...drill };
      const event = drill.state === "running" ? "server_healed" : `server_${drill.state}`;
      this.#host.events.emit(event, facts);
      this.#host.log.info(facts, event);
    });
  }

  /** Accepts no more; connections live on. May be started again. */
  release(): Promise<void> {
    return this.#inTurn(() => this.#closeListener());
  }

  /** Accepts no more; resolves once every connection has ended. */
  async finish(): Promise<void> {
    this.#ended = true;
    await this.release();
    this.#kind.finish();
    if (this.#connections.size > 0) await new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#kind.drop();
  }

  /** Accepts no more and resets every connection. */
  close(): Promise<void> {
    this.#ended = true;
    return this.#inTurn(() => this.#stop());
  }

  /** @param whole with everything that only its kind knows */
  status(whole = false): ServerStatus {
    return {
      name: this.config.name,
      service: this.config.service,
      address: this.#address,
      state: this.state,
      delayMs: this.#gate.delayMs,
      requests: this.#requests,
      connections: this.#connections.size,
      proxyHeadersRefused: this.#proxyHeadersRefused,
      ...(whole ? this.#kind.status() : {}),
    };
  }

  /** One change after another: two at once would bind the port twice. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(change);
    this.#turn = done.catch(() => {}); // The caller is told; the next change begins anew.
    return done;
  }

  async #listen(): Promise<void> {
    if (this.#listener) return;
    const kind = this.#kind;
    this.#listener =
      kind.protocol === "udp"
        ? await listenUdp({ address: this.#address, onDatagram: receiver(kind) })
        : await listenTcp({
            address: this.#address,
            allowHalfOpen: true,
            onConnection: (socket) => this.#accept(socket, (connection) => kind.serve(connection)),
          });
    this.#address = this.#listener.address;
  }

  async #closeListener(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    await listener?.close();
  }

  async #stop(): Promise<void> {
    await this.#closeListener();
    for (const socket of this.#connections) socket.resetAndDestroy();
    this.#gate.open();
    this.#kind.drop();
  }

  #accept(socket: Socket, serve: (connection: Connection) => void): void {
    socket.on("error", () => {}); // Whoever uses the socket sees it close.
    if (!this.#listener || this.#connections.size >= connectionsMax) {
      socket.resetAndDestroy();
      return;
    }
    this.#connections.add(socket);
    socket.once("close", () => {
      this.#connections.delete(socket);
      this.#gate.forget(socket);
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    const accept = this.config.proxyProtocol?.accept;
    if (!accept) {
      serve({ socket, proxy: undefined });
      return;
    }
    acceptProxyHeader(socket, accept, proxyHeaderTimeoutMs).then(
      (proxy) => serve({ socket, proxy }),
      (error: unknown) => {
        this.#proxyHeadersRefused++;
        this.#host.log.debug({ server: this.config.name, why: messageOf(error) }, "proxy_header_refused");
        socket.resetAndDestroy();
      },
    );
  }
}

function receiver(kind: UdpKind): UdpOptions["onDatagram"] {
  return (datagram, from, listener) =>
    kind.receive(datagram, (text) => {
      const bytes = Buffer.from(text);
      listener.send(bytes, bytes.length, from);
    });
}
