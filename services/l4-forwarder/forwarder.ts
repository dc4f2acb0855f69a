import type { Hono } from "hono";
import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { ProxyVersion } from "#shared/config/schema/common.ts";
import type { Timer } from "#shared/core/clock.ts";
import { UsageError, assert, messageOf } from "#shared/core/error.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import type { Host, Service } from "#shared/server/service.ts";
import { DrainWatch } from "./drain-watch.ts";
import { explain } from "./explain.ts";
import { KernelMode, identityOf, keyOf } from "./kernel/kernel-mode.ts";
import { runProgram } from "./kernel/program.ts";
import type { ListenerMode } from "./kernel/support.ts";
import { ForwardListener } from "./userspace/listener.ts";
import { UserspaceTraffic } from "./userspace/traffic.ts";

const watchEveryMs = 1_000;
const connectionsShownMax = 1_000; // of GET /connections: about 500 KB

/** What `GET /connections` answers. */
interface Shown {
  readonly total: number;
  readonly connections: readonly Record<string, unknown>[];
}

/** Forwards connections and datagrams of its listeners to the servers of their pools. */
export class Forwarder implements Service<L4ForwarderConfig> {
  readonly #host: Host;
  readonly #userspace: UserspaceTraffic;
  readonly #kernel: KernelMode;
  /** By their key in the config. */
  #listeners = new Map<string, ForwardListener>();
  #pools = new Map<string, Pool>();
  #config: L4ForwarderConfig;
  #isFirstRoundOver = false;
  #isDraining = false;
  readonly #drainWatch: DrainWatch;
  #watch: Timer | undefined;

  constructor(config: L4ForwarderConfig, host: Host, run = runProgram) {
    this.#host = host;
    this.#userspace = new UserspaceTraffic(config, host, (name) => this.#pools.get(name));
    this.#drainWatch = new DrainWatch(host);
    this.#kernel = new KernelMode(host, run, identityOf(config));
    this.#config = config;
  }

  /** @throws {UsageError} if an address cannot be taken, or the kernel not be used; then nothing is left open */
  async open(): Promise<void> {
    const pools = this.#createPools(this.#config, new Map());
    try {
      const modes = await this.#kernel.decide(this.#config);
      this.#listeners = await this.#bindListeners(this.#config, pools, new Map());
      await this.#kernel.carry([...this.#listeners.values()], this.#config, modes);
    } catch (error) {
      this.#userspace.abandon();
      await this.#stopListeners();
      for (const pool of pools.values()) pool.stop();
      throw error;
    }
    this.#pools = pools;
    for (const pool of pools.values()) pool.start();
    this.#watch = this.#watchLater();
    void this.#becomeReady();
  }

  /** What is looked at each second: who has drained, and who has too many. */
  #watchLater(): Timer {
    return this.#host.clock.after(watchEveryMs, () => {
      this.#drainWatch.look(this.#pools.values());
      for (const listener of this.#listeners.values()) this.#userspace.rebalance(listener);
      this.#watch = this.#watchLater();
    });
  }

  /** Every server was checked once, and the kernel knows it. */
  async #becomeReady(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.firstRound));
    await this.#kernel.refresh();
    this.#isFirstRoundOver = true;
  }

  notReady(): string | undefined {
    if (this.#isDraining) return "DRAINING";
    return this.#isFirstRoundOver ? undefined : "STARTING";
  }

  status(): Record<string, unknown> {
    const listeners = [...this.#listeners.values()].map((listener) => ({
      address: listener.address,
      protocol: listener.config.protocol,
      pool: listener.pool.name,
      ...this.#kernel.modeOf(listener.config),
      approximations: this.#kernel.approximationsOf(listener),
      open: listener.isOpen,
      reason: listener.reason,
      active: listener.active,
      proxyProtocol: listener.config.proxyProtocol,
    }));
    const kernel = this.#kernel.status();
    return { listeners, connections: this.#userspace.count + this.#kernel.count, ...(kernel && { kernel }) };
  }

  explain(query: URLSearchParams): Record<string, unknown> {
    return explain(query, [...this.#listeners.values()], this.#kernel);
  }

  async findDecision(id: string): Promise<Decision | undefined> {
    return this.#userspace.find(id) ?? (await this.#kernel.findDecision(id));
  }

  pools(): Iterable<Pool> {
    return this.#pools.values();
  }

  /** Pools and listeners that stay are kept with all they know; a new pool is checked once before it gets connections. */
  async reload(config: L4ForwarderConfig): Promise<void> {
    for (const key of ["localAddress", "zone"] as const)
      if (config[key] !== this.#config[key]) throw new UsageError(`${key}: changes only by a restart`);
    const modes = await this.#kernel.decide(config);
    const pools = this.#createPools(config, this.#pools);
    const created = [...pools.values()].filter((pool) => this.#pools.get(pool.name) !== pool);
    let listeners: Map<string, ForwardListener>;
    try {
      listeners = await this.#bindListeners(config, pools, this.#listeners);
    } catch (error) {
      for (const pool of created) pool.stop();
      throw error;
    }
    for (const pool of created) pool.start();
    await Promise.all(created.map((pool) => pool.firstRound));
    await this.#swap(config, pools, listeners);
    await this.#carryInKernel(modes);
  }

  /** The new config is in force by now: if nft refuses its table, connections go through this process. */
  async #carryInKernel(modes: ReadonlyMap<string, ListenerMode>): Promise<void> {
    try {
      await this.#kernel.carry([...this.#listeners.values()], this.#config, modes);
    } catch (error) {
      this.#host.log.error({ error: messageOf(error) }, "kernel_table_lost");
      this.#host.events.emit("kernel_table_lost", { error: messageOf(error) });
    }
  }

  drain(): void {
    this.#isDraining = true;
  }

  async finish(): Promise<void> {
    this.#isDraining = true;
    await this.#stopListeners();
    await Promise.all([this.#userspace.idle(), this.#kernel.finish()]);
  }

  async close(): Promise<void> {
    this.#watch?.cancel();
    await this.#stopListeners();
    await this.#kernel.stop();
    for (const pool of this.#pools.values()) pool.stop();
    await this.#userspace.stop();
  }

  extendAdmin(app: Hono, readOthers: (path: string) => Promise<readonly unknown[]> = () => Promise.resolve([])): void {
    app.get("/connections", async (c) => {
      const { pathname, search } = new URL(c.req.url);
      const others = (await readOthers(pathname + search)) as readonly Shown[];
      const all = [this.#connections(c.req.query("pool")), ...others];
      const total = all.reduce((sum, shown) => sum + shown.total, 0);
      return c.json({ total, connections: all.flatMap((shown) => shown.connections).slice(0, connectionsShownMax) });
    });
  }

  /** Of this process. */
  #connections(pool: string | undefined): Shown {
    const { total, rows } = this.#userspace.rows(pool, connectionsShownMax);
    const counted = this.#kernel.connections().filter((row) => pool === undefined || row["pool"] === pool);
    const connections = [...rows, ...counted.slice(0, connectionsShownMax - rows.length)];
    return { total: total + counted.length, connections };
  }

  /** Those that stay, and new ones that do not check yet. */
  #createPools(config: L4ForwarderConfig, known: ReadonlyMap<string, Pool>): Map<string, Pool> {
    const { clock, random, events, metrics, log } = this.#host;
    const pools = new Map<string, Pool>();
    for (const [name, poolConfig] of Object.entries(config.pools)) {
      const checkProxyProtocol = proxySentTo(config, name);
      const kept = checkProxyProtocol === proxySentTo(this.#config, name) ? known.get(name) : undefined;
      const { localAddress, zone } = config;
      const instruments = { clock, random, events, metrics, log };
      pools.set(
        name,
        kept ?? new Pool({ name, config: poolConfig, localAddress, zone, checkProxyProtocol, ...instruments }),
      );
    }
    return pools;
  }

  /** Those that stay, and new ones, bound. If one cannot be, all new ones are closed again. */
  async #bindListeners(
    config: L4ForwarderConfig,
    pools: ReadonlyMap<string, Pool>,
    known: ReadonlyMap<string, ForwardListener>,
  ): Promise<Map<string, ForwardListener>> {
    const listeners = new Map<string, ForwardListener>();
    const created: ForwardListener[] = [];
    try {
      for (const listenerConfig of config.listeners) {
        const key = keyOf(listenerConfig);
        let listener = known.get(key);
        if (!listener) {
          listener = new ForwardListener({
            host: this.#host,
            config: listenerConfig,
            pool: poolOf(pools, listenerConfig),
            listen: (address, own, sharing) => this.#userspace.listen(address, own, sharing),
          });
          created.push(listener);
          await listener.bind();
        }
        listeners.set(key, listener);
      }
    } catch (error) {
      await Promise.all(created.map((listener) => listener.stop()));
      throw error;
    }
    return listeners;
  }

  async #swap(
    config: L4ForwarderConfig,
    pools: Map<string, Pool>,
    listeners: Map<string, ForwardListener>,
  ): Promise<void> {
    const oldPools = [...this.#pools.values()];
    const oldListeners = [...this.#listeners.values()];
    this.#config = config;
    this.#userspace.config = config;
    this.#pools = pools;
    this.#listeners = listeners;
    for (const pool of pools.values()) if (oldPools.includes(pool)) pool.update(poolConfigOf(config, pool.name));
    const reconfigured = config.listeners.map((listenerConfig) =>
      listeners.get(keyOf(listenerConfig))?.reconfigure(listenerConfig, poolOf(pools, listenerConfig)),
    );
    const stays = new Set(listeners.values());
    const stopped = oldListeners.filter((listener) => !stays.has(listener)).map((listener) => listener.stop());
    await Promise.all([...reconfigured, ...stopped]);
    for (const pool of oldPools) if (pools.get(pool.name) !== pool) pool.stop(pools.get(pool.name));
  }

  async #stopListeners(): Promise<void> {
    await Promise.all([...this.#listeners.values()].map((listener) => listener.stop()));
  }
}

function poolOf(pools: ReadonlyMap<string, Pool>, { pool: name }: L4ListenerConfig): Pool {
  const pool = pools.get(name);
  assert(pool, `pool ${name} was validated with the config`);
  return pool;
}

function poolConfigOf(config: L4ForwarderConfig, name: string): L4ForwarderConfig["pools"][string] {
  const pool = config.pools[name];
  assert(pool, `pool ${name} is in the config`);
  return pool;
}

/** The version of the PROXY header that the servers of a pool are given, and so their checks too. */
function proxySentTo(config: L4ForwarderConfig, pool: string): ProxyVersion | undefined {
  return config.listeners.find((listener) => listener.pool === pool && listener.proxyProtocol.send)?.proxyProtocol.send;
}
