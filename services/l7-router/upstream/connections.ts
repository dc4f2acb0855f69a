import { randomUUID } from "node:crypto";
import type { PoolConfig } from "#shared/config/schema/common.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import { bucketCount, bucketName } from "#shared/endpoint/affinity-order.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import { dial } from "#shared/net/dial.ts";
import { tlvAffinity, tlvUniqueId, writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Engine } from "#l7-router/engine/engine.ts";
import { localAddressOf } from "./connection.ts";
import type { ConnectionFacts, UpstreamConnection } from "./connection.ts";

export interface ConnectionsOptions {
  readonly config: PoolConfig;
  readonly engine: Engine;
  readonly clock: Clock;
  readonly random: Random;
  /** Source address of every connection. */
  readonly localAddress: string | undefined;
}

const idlePerEndpointMax = 128; // what a burst leaves behind; older ones are closed first
const idleOfBucketsMax = 2 * bucketCount; // of an endpoint that is told buckets: some of each
const ageJitter = 0.1; // so that connections opened together are not renewed together
const sweepsPerAge = 20; // idle ones are closed at most a twentieth of their age late
const sweepMsMin = 20;

/** The connections of one pool: opens them, keeps them while idle, ends them by age and eligibility. */
export class Connections {
  #options: ConnectionsOptions;
  /** Last in, first out: the warmest is used, the others grow old. */
  readonly #idle = new Map<Endpoint, UpstreamConnection[]>();
  readonly #open = new Set<UpstreamConnection>();
  readonly #watched = new Map<Endpoint, () => void>();
  readonly #release = (connection: UpstreamConnection): void => this.#keep(connection);
  readonly #cutWatched = new WeakSet<Endpoint>();
  #sweeping: Timer | undefined;
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

  /** The warmest kept connection, if there is one.
   * @param bucket of its user, in a sticky pool */
  take(endpoint: Endpoint, bucket?: number): UpstreamConnection | undefined {
    const idle = this.#idle.get(endpoint);
    if (!idle) return undefined;
    const nowMs = this.#options.clock.nowMs();
    const told = this.#told(bucket);
    const nextOf = () => (told === undefined ? idle.pop() : takeLast(idle, told));
    for (let next = nextOf(); next; next = nextOf()) {
      if (next.isUsable && next.facts.expiresMs > nowMs) return next;
      next.destroy();
    }
    return undefined;
  }

  /** Opens one.
   * @throws {TrafficError} CONNECT_FAILED, CONNECT_TIMEOUT or CLIENT_GONE */
  async connect(
    endpoint: Endpoint,
    timeoutMs: number,
    signal: AbortSignal,
    bucket?: number,
  ): Promise<UpstreamConnection> {
    const { clock, random, config, localAddress, engine } = this.#options;
    const startedMs = clock.nowMs();
    const { host, port } = endpoint;
    // A WebSocket's half-close is carried; HTTP itself ends both sides.
    const socket = await dial({ host, port, localAddress, timeoutMs, allowHalfOpen: true, signal });
    const openedMs = clock.nowMs();
    const facts: ConnectionFacts = {
      id: randomUUID(),
      socket,
      endpoint,
      bucket: this.#told(bucket),
      local: localAddressOf(socket),
      expiresMs: openedMs + config.connectionMaxAgeMs * (1 + ageJitter * (2 * random() - 1)),
      connectMs: openedMs - startedMs,
      release: this.#release,
    };
    if (config.proxyProtocol) socket.write(proxyHeader(facts, config.proxyProtocol.send));
    const connection = engine.adopt(facts);
    this.#open.add(connection);
    socket.once("close", () => this.#forget(connection));
    this.#watch(endpoint);
    return connection;
  }

  /** A bucket goes with the connection only where the other end can be told of it. */
  #told(bucket: number | undefined): number | undefined {
    return this.#tellsBuckets ? bucket : undefined;
  }

  get #tellsBuckets(): boolean {
    const { sticky, proxyProtocol } = this.#options.config;
    return sticky !== undefined && proxyProtocol?.send === "v2";
  }

  #keep(connection: UpstreamConnection): void {
    const { endpoint, expiresMs } = connection.facts;
    const isTimeOver = expiresMs <= this.#options.clock.nowMs();
    if (this.#closed || isTimeOver || !endpoint.eligible || !this.#watched.has(endpoint) || !connection.isUsable) {
      connection.destroy();
      return;
    }
    let idle = this.#idle.get(endpoint);
    if (!idle) this.#idle.set(endpoint, (idle = []));
    idle.push(connection);
    if (idle.length > (this.#tellsBuckets ? idleOfBucketsMax : idlePerEndpointMax)) idle.shift()?.destroy();
    this.#sweeping ??= this.#options.clock.after(this.#sweepMs, () => this.#sweep());
  }

  get #sweepMs(): number {
    return Math.max(sweepMsMin, this.#options.config.connectionMaxAgeMs / sweepsPerAge);
  }

  /** Closes idle connections whose age is over. */
  #sweep(): void {
    this.#sweeping = undefined;
    const nowMs = this.#options.clock.nowMs();
    let count = 0;
    for (const [endpoint, idle] of this.#idle) {
      const kept = idle.filter(({ facts }) => facts.expiresMs > nowMs);
      count += kept.length;
      this.#idle.set(endpoint, kept);
      for (const connection of idle) if (connection.facts.expiresMs <= nowMs) connection.destroy();
      if (kept.length === 0) this.#idle.delete(endpoint);
    }
    if (count > 0) this.#sweeping = this.#options.clock.after(this.#sweepMs, () => this.#sweep());
  }

  /** Ends the idle ones now and the others after their request. */
  closeIdle(): void {
    this.#closed = true;
    this.#sweeping?.cancel();
    for (const endpoint of this.#watched.keys()) this.#endIdle(endpoint);
    for (const stop of this.#watched.values()) stop();
    this.#watched.clear();
  }

  /** Cuts every connection. */
  destroy(): void {
    this.closeIdle();
    for (const connection of this.#open) connection.destroy();
  }

  #watch(endpoint: Endpoint): void {
    if (!this.#cutWatched.has(endpoint)) {
      this.#cutWatched.add(endpoint);
      endpoint.drain.onCut(() => this.#cut(endpoint));
    }
    if (this.#closed || this.#watched.has(endpoint)) return;
    const stop = endpoint.onIneligible(() => {
      this.#endIdle(endpoint);
      this.#watched.get(endpoint)?.();
      this.#watched.delete(endpoint);
    });
    this.#watched.set(endpoint, stop);
  }

  /** Cuts what is under way at an endpoint, WebSockets among it. */
  #cut(endpoint: Endpoint): void {
    for (const connection of this.#open) if (connection.facts.endpoint === endpoint) connection.destroy();
  }

  #endIdle(endpoint: Endpoint): void {
    const idle = this.#idle.get(endpoint);
    this.#idle.delete(endpoint);
    for (const connection of idle ?? []) connection.destroy();
  }

  #forget(connection: UpstreamConnection): void {
    this.#open.delete(connection);
    const { endpoint } = connection.facts;
    const idle = this.#idle.get(endpoint);
    const at = idle?.indexOf(connection) ?? -1;
    if (!idle || at < 0) return;
    idle.splice(at, 1);
    if (idle.length === 0) this.#idle.delete(endpoint);
  }
}

/** The connection is the router's own and carries many clients: the header names the router and the connection. */
/** The warmest of those that carry this bucket. */
function takeLast(idle: UpstreamConnection[], bucket: number): UpstreamConnection | undefined {
  const at = idle.findLastIndex(({ facts }) => facts.bucket === bucket);
  return at < 0 ? undefined : idle.splice(at, 1)[0];
}

function proxyHeader({ socket, endpoint, id, bucket }: ConnectionFacts, version: "v1" | "v2"): Buffer {
  const affinity = bucket === undefined ? [] : [{ type: tlvAffinity, value: Buffer.from(bucketName(bucket)) }];
  return writeProxyHeader({
    version,
    command: "PROXY",
    source: { host: socket.localAddress ?? endpoint.host, port: socket.localPort ?? 0 },
    destination: { host: endpoint.host, port: endpoint.port },
    tlvs: [{ type: tlvUniqueId, value: Buffer.from(id) }, ...affinity],
  });
}
