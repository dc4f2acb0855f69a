import { randomUUID } from "node:crypto";
import type { PoolConfig } from "#shared/config/schema/common.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import { dial } from "#shared/net/dial.ts";
import { tlvUniqueId, writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { beginUse, guardUnaskedBytes, localAddressOf } from "./connection.ts";
import type { UpstreamConnection } from "./connection.ts";

export interface ConnectionsOptions {
  readonly config: PoolConfig;
  readonly clock: Clock;
  readonly random: Random;
  /** Source address of every connection. */
  readonly localAddress: string | undefined;
}

export interface AcquireOptions {
  /** Never a kept one: for upgrades, and for the second try after a stale one. */
  readonly fresh: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Idle {
  readonly connection: UpstreamConnection;
  /** Closes it when its age is over. */
  readonly expiry: Timer;
}

const idlePerEndpointMax = 128; // what a burst leaves behind; older ones are closed first
const ageJitter = 0.1; // so that connections opened together are not renewed together

/** The connections of one pool: opens them, keeps them while idle, ends them by age and eligibility. */
export class Connections {
  #options: ConnectionsOptions;
  /** Last in, first out: the warmest is used, the others grow old. */
  readonly #idle = new Map<Endpoint, Idle[]>();
  readonly #open = new Set<UpstreamConnection>();
  readonly #watched = new Map<Endpoint, () => void>();
  #closed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /** A reload: connections that are open stay as they are. */
  update(config: PoolConfig): void {
    this.#options = { ...this.#options, config };
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** A connection for one request: the warmest kept one, or a new one.
   * @throws {TrafficError} CONNECT_FAILED, CONNECT_TIMEOUT or CLIENT_GONE */
  async acquire(endpoint: Endpoint, options: AcquireOptions): Promise<UpstreamConnection> {
    const kept = options.fresh ? undefined : this.#takeIdle(endpoint);
    const connection = kept ?? (await this.#connect(endpoint, options));
    beginUse(connection);
    return connection;
  }

  /** The answer is wholly read and the server keeps the connection open: it is kept for the next request. */
  release(connection: UpstreamConnection): void {
    const { socket, endpoint } = connection;
    const leftMs = connection.expiresMs - this.#options.clock.nowMs();
    connection.busy = false;
    if (this.#closed || leftMs <= 0 || !endpoint.eligible || !this.#watched.has(endpoint) || !isUsable(connection)) {
      socket.destroy();
      return;
    }
    socket.resume(); // So that bytes or an end that come while it is idle are seen.
    const idle = this.#idle.get(endpoint) ?? [];
    this.#idle.set(endpoint, idle);
    idle.push({ connection, expiry: this.#options.clock.after(leftMs, () => socket.destroy()) });
    const oldest = idle.length > idlePerEndpointMax ? idle.shift() : undefined;
    oldest?.expiry.cancel();
    oldest?.connection.socket.destroy();
  }

  /** Ends the idle ones now and the others after their request. */
  closeIdle(): void {
    this.#closed = true;
    for (const endpoint of this.#watched.keys()) this.#endIdle(endpoint);
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  /** Cuts every connection. */
  destroy(): void {
    this.closeIdle();
    for (const { socket } of this.#open) socket.destroy();
  }

  #takeIdle(endpoint: Endpoint): UpstreamConnection | undefined {
    const idle = this.#idle.get(endpoint);
    for (let next = idle?.pop(); next; next = idle?.pop()) {
      next.expiry.cancel();
      if (idle?.length === 0) this.#idle.delete(endpoint);
      const { connection } = next;
      if (isUsable(connection) && connection.expiresMs > this.#options.clock.nowMs()) return connection;
      connection.socket.destroy();
    }
    return undefined;
  }

  async #connect(endpoint: Endpoint, options: AcquireOptions): Promise<UpstreamConnection> {
    const { clock, random, config, localAddress } = this.#options;
    const startedMs = clock.nowMs();
    const { host, port } = endpoint;
    const socket = await dial({
      host,
      port,
      localAddress,
      timeoutMs: options.timeoutMs,
      allowHalfOpen: true, // a WebSocket's half-close is carried; HTTP itself ends both sides
      signal: options.signal,
    });
    const openedMs = clock.nowMs();
    const connection: UpstreamConnection = {
      id: randomUUID(),
      socket,
      endpoint,
      local: localAddressOf(socket),
      expiresMs: openedMs + config.connectionMaxAgeMs * (1 + ageJitter * (2 * random() - 1)),
      connectMs: openedMs - startedMs,
      uses: 0,
      busy: true,
      answered: () => false,
    };
    guardUnaskedBytes(connection);
    this.#open.add(connection);
    socket.once("close", () => this.#forget(connection));
    this.#watch(endpoint);
    if (config.proxyProtocol) socket.write(this.#proxyHeader(connection, config.proxyProtocol.send));
    return connection;
  }

  /** The connection is the router's own and carries many clients: the header names the router and the connection. */
  #proxyHeader(connection: UpstreamConnection, version: "v1" | "v2"): Buffer {
    const { socket, endpoint, id } = connection;
    return writeProxyHeader({
      version,
      command: "PROXY",
      source: { host: socket.localAddress ?? endpoint.host, port: socket.localPort ?? 0 },
      destination: { host: endpoint.host, port: endpoint.port },
      tlvs: [{ type: tlvUniqueId, value: Buffer.from(id) }],
    });
  }

  #watch(endpoint: Endpoint): void {
    if (this.#closed || this.#watched.has(endpoint)) return;
    const stop = endpoint.onIneligible(() => {
      this.#endIdle(endpoint);
      this.#watched.get(endpoint)?.();
      this.#watched.delete(endpoint);
    });
    this.#watched.set(endpoint, stop);
  }

  #endIdle(endpoint: Endpoint): void {
    for (const { connection } of this.#idle.get(endpoint) ?? []) connection.socket.destroy();
  }

  #forget(connection: UpstreamConnection): void {
    this.#open.delete(connection);
    const idle = this.#idle.get(connection.endpoint);
    const at = idle?.findIndex((one) => one.connection === connection) ?? -1;
    if (!idle || at < 0) return;
    idle[at]?.expiry.cancel();
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(connection.endpoint);
  }
}

function isUsable({ socket }: UpstreamConnection): boolean {
  return !socket.destroyed && socket.writable && !socket.readableEnded;
}
