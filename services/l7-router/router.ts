import type { Hono } from "hono";
import { UsageError } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { Host, Service } from "#shared/server/service.ts";
import type { Engine, ListenerLimits } from "./engine/engine.ts";
import { engines } from "./engine/registry.ts";
import { Entrances } from "./entrances.ts";
import type { PreparedEntrances } from "./entrances.ts";
import { explain } from "./explain.ts";
import { Ride } from "./forward.ts";
import { BodyRoom } from "./held-body.ts";
import { Listener } from "./listener/listener.ts";
import { Maintenance } from "./maintenance.ts";
import { Mirrors } from "./mirror.ts";
import { healthOf } from "./own-answers.ts";
import { viaNameOf } from "./policy/forwarded-headers.ts";
import { stickyKeysOf } from "./policy/sticky-keys.ts";
import { Protection } from "./protection.ts";
import { closeRecorders, noRecorders, openRecorders } from "./recorders.ts";
import type { Refusal } from "./refusal.ts";
import type { Site } from "./site.ts";
import { createPools, createSnapshot } from "./snapshot.ts";
import type { RoutedPool, Snapshot } from "./snapshot.ts";
import { Tallies } from "./tallies.ts";
import { geoFor } from "./visitor.ts";
import { Wheel } from "./wheel.ts";

/** The HTTP router of a region: listeners, the snapshot in force, and what is under way. */
export class Router implements Service<L7RouterConfig> {
  readonly #host: Host;
  readonly #engine: Engine;
  readonly #viaName: string;
  readonly #wheel: Wheel;
  readonly #entrances: Entrances;
  readonly #maintenance = new Maintenance();
  readonly #protection: Protection;
  readonly #mirrors: Mirrors;
  readonly #bodyRoom = new BodyRoom();
  readonly #listeners = new Map<string, Listener>();
  #recorders = noRecorders;
  #snapshot: Snapshot;
  #site: Site;
  /** Whose gauges go back to 0 when they are gone. */
  readonly #poolsCounted = new Set<string>();
  #started = false;
  #draining = false;
  #stopping = false;
  #active = 0;
  #onQuiet: (() => void) | undefined;

  /** @param geo by `geoFor` with the same config */
  constructor(config: L7RouterConfig, host: Host, geo?: Geo) {
    this.#host = host;
    this.#engine = engines[config.engine]();
    // Two routers without names of their own, one behind the other, must not take each other for a loop.
    const address = config.listeners[0]?.address ?? "";
    this.#viaName = config.node === undefined ? `${host.node}-${hash32(address).toString(16)}` : viaNameOf(config.node);
    this.#wheel = new Wheel(host.clock);
    this.#mirrors = new Mirrors(host, this.#wheel);
    this.#entrances = new Entrances(config, host);
    this.#protection = new Protection(config, host, (listener) => this.#entrances.of(listener));
    host.metrics.beforeRender(() => this.#setGauges());
    const stickyKeys = stickyKeysOf(config.stickySecretFile, host.seed);
    this.#snapshot = createSnapshot(config, host, createPools(config, host, this.#engine), {
      geo,
      stickyKeys,
      routeAccess: this.#protection.lists.ofRoutes(config),
    });
    this.#site = this.#createSite();
    void firstRoundOf(this.#snapshot.pools).then(() => (this.#started = true));
  }

  /** @throws {UsageError} naming the address that cannot be listened on; then none is */
  async listen(): Promise<void> {
    const { config } = this.#snapshot;
    try {
      this.#recorders = await openRecorders(config, this.#host);
      const { lists } = this.#protection;
      const entrances = await this.#entrances.prepare(config, lists);
      this.#entrances.use(config, entrances);
      this.#protection.use(config, lists, this.#snapshot.isTrusted);
      for (const { address } of config.listeners) await this.#open(address, entrances);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The real addresses, in the order of the config. */
  get addresses(): readonly string[] {
    return this.#snapshot.config.listeners.map(({ address }) => this.#listeners.get(address)?.address ?? address);
  }

  notReady(): string | undefined {
    return this.#started ? undefined : "STARTING";
  }

  readonly countedInStatus = new Set([
    "active",
    "activeRequests",
    "connections",
    "upstreamConnections",
    "clientConnections",
  ]);

  status(): Record<string, unknown> {
    return {
      listeners: [...this.#listeners].map(([configured, { address, connectionCount }]) => ({
        address,
        connections: connectionCount,
        ...this.#entrances.status(configured),
      })),
      engine: this.#engine.name,
      zone: this.#snapshot.config.zone ?? null,
      stickyKey: this.#snapshot.stickyKeys.from,
      activeRequests: this.#active,
      ...this.#protection.status(),
      routes: this.#snapshot.config.routes,
      upstreamConnections: Object.fromEntries(
        [...this.#snapshot.pools].map(([name, { connections }]) => [name, connections.openCount]),
      ),
    };
  }

  explain(query: URLSearchParams): Record<string, unknown> {
    return explain(this.#site, query);
  }

  files(): readonly string[] {
    const { stickySecretFile } = this.#snapshot.config;
    return stickySecretFile === undefined ? [] : [stickySecretFile];
  }

  *pools(): Iterable<AdminPool> {
    for (const { pool } of this.#snapshot.pools.values()) yield pool;
  }

  /** A new pool is checked once before it gets requests: that takes as long as one of its checks may. */
  async reload(config: L7RouterConfig): Promise<void> {
    const former = this.#snapshot;
    for (const key of ["engine", "zone", "localAddress", "workers"] as const)
      if (config[key] !== former.config[key]) throw new UsageError(`${key}: changes only by a restart`);
    for (const [name, { proxyProtocol }] of Object.entries(config.pools)) {
      const before = former.config.pools[name];
      if (before && before.proxyProtocol?.send !== proxyProtocol?.send)
        throw new UsageError(`pools.${name}.proxyProtocol: changes only by a restart`);
    }
    const geo = await geoFor(config);
    const stickyKeys = stickyKeysOf(config.stickySecretFile, this.#host.seed);
    const wanted = new Set(config.listeners.map(({ address }) => address));
    const lists = this.#protection.read(config);
    const entrances = await this.#entrances.prepare(config, lists);
    const created = createPools(config, this.#host, this.#engine, former);
    let recorders = noRecorders;
    try {
      await firstRoundOf(created);
      if (this.#stopping) throw new UsageError("the router is stopping");
      const added = [...wanted].filter((address) => !this.#listeners.has(address));
      await this.#openAll(added, entrances);
      recorders = await openRecorders(config, this.#host, this.#recorders);
    } catch (error) {
      for (const routed of created.values()) retire(routed);
      throw error;
    }
    this.#snapshot = createSnapshot(
      config,
      this.#host,
      created,
      { geo, stickyKeys, routeAccess: lists.ofRoutes(config) },
      former,
    );
    this.#maintenance.keep(config.routes);
    void closeRecorders(this.#recorders, recorders);
    this.#recorders = recorders;
    this.#site = this.#createSite();
    this.#entrances.use(config, entrances);
    this.#protection.use(config, lists, this.#snapshot.isTrusted);
    for (const [name, routed] of former.pools) if (!this.#snapshot.pools.has(name)) retire(routed);
    for (const [address, listener] of this.#listeners) {
      if (wanted.has(address)) listener.setLimits(limitsOf(config, address));
      else {
        this.#listeners.delete(address);
        await listener.close();
      }
    }
  }

  /** `POST /routes/NAME/close` and `/open`: the maintenance switch of a route. */
  extendAdmin(app: Hono): void {
    app.post("/routes/:name/:verb{close|open}", (c) => {
      const { name, verb } = c.req.param();
      const known = this.#maintenance.set(this.#snapshot.config.routes, name, verb === "close");
      if (!known) return c.json({ error: `there is no route "${name}"` }, 404);
      this.#host.log.warn({ route: name, verb }, "route_switched");
      return c.json({ route: name, maintenance: verb === "close" });
    });
  }

  drain(): void {
    this.#draining = true;
  }

  async finish(): Promise<void> {
    this.#draining = true;
    this.#stopping = true;
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    if (this.#active > 0) await new Promise<void>((resolve) => (this.#onQuiet = resolve));
  }

  async close(): Promise<void> {
    this.#stopping = true;
    this.#entrances.close();
    this.#protection.close();
    await Promise.all([...this.#listeners.values()].map((listener) => listener.close()));
    for (const listener of this.#listeners.values()) listener.destroy();
    for (const { pool, connections } of this.#snapshot.pools.values()) {
      pool.stop();
      connections.destroy();
    }
    await closeRecorders(this.#recorders);
  }

  /** Opens all of them or none. */
  async #openAll(addresses: readonly string[], entrances: PreparedEntrances): Promise<void> {
    const opened: string[] = [];
    try {
      for (const address of addresses) {
        await this.#open(address, entrances);
        opened.push(address);
      }
    } catch (error) {
      for (const address of opened) {
        await this.#listeners.get(address)?.close();
        this.#listeners.delete(address);
      }
      throw error;
    }
  }

  async #open(address: string, entrances: PreparedEntrances): Promise<void> {
    const listener = new Listener({
      address,
      engine: this.#engine,
      tls: entrances.get(address)?.entrance.tls,
      h2c: entrances.get(address)?.h2c ?? true,
      limits: limitsOf(this.#snapshot.config, address),
      sharing: this.#host.sharing,
      clock: this.#host.clock,
      wheel: this.#wheel,
      serve: (downstream, last) => new Ride(downstream, this.#site, this.#entrances.of(address), last),
      isDraining: () => this.#draining,
      onRefused: ({ reason }) => this.#host.metrics.count("watershed_http_replies_total", { reason }),
      enter: (socket) => this.#protection.enter(socket, address),
      onConnectionRefused: (by) => this.#protection.onConnectionRefused(by),
      onHandshakeFailed: () => this.#host.metrics.count("watershed_http_handshakes_failed_total", {}),
    });
    await listener.listen();
    this.#listeners.set(address, listener);
  }

  #count(by: 1 | -1): void {
    this.#active += by;
    if (this.#active === 0) this.#onQuiet?.();
  }

  #setGauges(): void {
    const { metrics } = this.#host;
    metrics.set("watershed_http_active_requests", {}, this.#active);
    for (const pool of this.#poolsCounted) metrics.set("watershed_http_pool_active_requests", { pool }, 0);
    for (const [name, { pool }] of this.#snapshot.pools) {
      this.#poolsCounted.add(name);
      const active = pool.endpoints.reduce((sum, endpoint) => sum + endpoint.active, 0);
      metrics.set("watershed_http_pool_active_requests", { pool: name }, active);
    }
  }

  #createSite(): Site {
    return {
      host: this.#host,
      wheel: this.#wheel,
      recorders: () => this.#recorders,
      tallies: new Tallies(this.#host.metrics), // of this config: a route's number may mean another pool after a reload
      viaName: this.#viaName,
      rateLimiter: this.#protection.rateLimiter,
      mirrors: this.#mirrors,
      bodyRoom: this.#bodyRoom,
      snapshot: this.#snapshot,
      maintenance: this.#maintenance,
      isDraining: () => this.#draining,
      unhealthy: () => this.#unhealthy(),
      count: (by) => this.#count(by),
    };
  }

  #unhealthy(): Refusal | undefined {
    const pools = [...this.#snapshot.pools.values()].map(({ pool }) => pool);
    const unhealthyPools = pools.filter((pool) => pool.config.essential && !pool.healthy).map(({ name }) => name);
    return healthOf({ draining: this.#draining, started: this.#started, unhealthyPools });
  }
}

async function firstRoundOf(pools: ReadonlyMap<string, RoutedPool>): Promise<void> {
  await Promise.all([...pools.values()].map(({ pool }) => pool.firstRound));
}

function limitsOf({ limits, timeouts, listeners }: L7RouterConfig, listener: string): ListenerLimits {
  const { headerBytes, targetBytes } = limits;
  const { handshakes = 0, handshakeTimeout = 0 } = listeners.find(({ address }) => address === listener)?.tls ?? {};
  const { headMs, idleMs } = timeouts;
  return { headerBytes, targetBytes, headMs, idleMs, handshakes, handshakeMs: handshakeTimeout };
}

/** A pool that no snapshot has any more: requests under way finish on their connections. */
function retire({ pool, connections }: RoutedPool): void {
  pool.stop();
  connections.closeIdle();
}
