import { cidrContains, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import type { PoolConfig } from "#shared/config/schema/common.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { RetryBudget } from "#shared/endpoint/attempt.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { Host } from "#shared/server/service.ts";
import type { AccessList } from "./access/access-list.ts";
import type { Engine } from "./engine/engine.ts";
import { compileRoutes } from "./route/compile.ts";
import type { RouteTable } from "./route/compile.ts";
import type { StickyKeys } from "./policy/sticky-keys.ts";
import { Connections } from "./upstream/connections.ts";
import { Hedging } from "./upstream/hedging.ts";

/** A pool with what the router keeps beside it. */
export interface RoutedPool {
  readonly pool: Pool;
  readonly connections: Connections;
  readonly budget: RetryBudget;
  /** Undefined where no request is tried twice at a time. */
  readonly hedging: Hedging | undefined;
}

/** The state that answers one request; a reload swaps it whole. */
export interface Snapshot {
  readonly config: L7RouterConfig;
  readonly table: RouteTable;
  readonly pools: ReadonlyMap<string, RoutedPool>;
  readonly isTrusted: (address: string) => boolean;
  /** Undefined where no route asks for countries. */
  readonly geo: Geo | undefined;
  readonly stickyKeys: StickyKeys;
  /** Which clients each route lets in, by its index; undefined: all. */
  readonly routeAccess: readonly (AccessList | undefined)[];
}

/** The pools that the former snapshot does not have. Their checks have begun. */
export function createPools(
  config: L7RouterConfig,
  host: Host,
  engine: Engine,
  former?: Snapshot,
): Map<string, RoutedPool> {
  const created = new Map<string, RoutedPool>();
  for (const [name, poolConfig] of Object.entries(config.pools))
    if (!former?.pools.has(name)) created.set(name, createPool(name, poolConfig, config, host, engine));
  return created;
}

/** Pools of the same name live on through a reload, with their health, counts and connections.
 * @param created by `createPools` with the same config */
export function createSnapshot(
  config: L7RouterConfig,
  host: Host,
  created: ReadonlyMap<string, RoutedPool>,
  given: Pick<Snapshot, "geo" | "stickyKeys" | "routeAccess">,
  former?: Snapshot,
): Snapshot {
  const pools = new Map<string, RoutedPool>();
  for (const [name, poolConfig] of Object.entries(config.pools)) {
    const known = former?.pools.get(name);
    const routed = known ? updatePool(known, poolConfig, host) : created.get(name);
    if (routed) pools.set(name, routed);
  }
  const isTrusted = trustOf(config.trustedProxies);
  return { config, table: compileRoutes(config.routes), pools, isTrusted, ...given };
}

function updatePool(known: RoutedPool, poolConfig: PoolConfig, host: Host): RoutedPool {
  const { budgetPercent } = poolConfig.retries;
  const isSame = known.pool.config.retries.budgetPercent === budgetPercent;
  const budget = isSame ? known.budget : new RetryBudget(budgetPercent, host.clock);
  known.pool.update(poolConfig);
  known.connections.update(poolConfig);
  const { hedge } = poolConfig.retries;
  const hedging = hedge && (known.hedging ?? new Hedging(hedge));
  if (hedge) hedging?.update(hedge);
  return { ...known, budget, hedging };
}

function createPool(
  name: string,
  poolConfig: PoolConfig,
  config: L7RouterConfig,
  host: Host,
  engine: Engine,
): RoutedPool {
  const { clock, random, events, metrics, log } = host;
  const { localAddress, zone } = config;
  const checkProxyProtocol = poolConfig.proxyProtocol?.send;
  const pool = new Pool({
    name,
    config: poolConfig,
    clock,
    random,
    events,
    metrics,
    log,
    tellsDrains: true,
    localAddress,
    zone,
    checkProxyProtocol,
  });
  pool.start();
  const budget = new RetryBudget(poolConfig.retries.budgetPercent, clock);
  const connections = new Connections({ config: poolConfig, engine, clock, random, localAddress });
  const { hedge } = poolConfig.retries;
  return { pool, connections, budget, hedging: hedge && new Hedging(hedge) };
}

function trustOf(trustedProxies: readonly string[]): (address: string) => boolean {
  const networks = trustedProxies.map(parseCidr).filter((network) => network !== undefined);
  return (address) => {
    const bytes = networks.length > 0 ? parseAddress(address) : undefined;
    return bytes !== undefined && networks.some((network) => cidrContains(network, bytes));
  };
}
