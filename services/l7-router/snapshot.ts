import { cidrContains, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import type { PoolConfig } from "#shared/config/schema/common.ts";
import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import { RetryBudget } from "#shared/endpoint/attempt.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { Host } from "#shared/server/service.ts";
import { compileRoutes } from "./route/compile.ts";
import type { RouteTable } from "./route/compile.ts";
import { Connections } from "./upstream/connections.ts";

/** A pool with what the router keeps beside it. */
export interface RoutedPool {
  readonly pool: Pool;
  readonly connections: Connections;
  readonly budget: RetryBudget;
}

/** The state that answers one request; a reload swaps it whole. */
export interface Snapshot {
  readonly config: L7RouterConfig;
  readonly table: RouteTable;
  readonly pools: ReadonlyMap<string, RoutedPool>;
  readonly isTrusted: (address: string) => boolean;
}

/** Pools of the same name live on through a reload, with their health, counts and connections. */
export function createSnapshot(config: L7RouterConfig, host: Host, former?: Snapshot): Snapshot {
  const pools = new Map<string, RoutedPool>();
  for (const [name, poolConfig] of Object.entries(config.pools))
    pools.set(name, routedPool(name, poolConfig, config, host, former));
  return { config, table: compileRoutes(config.routes), pools, isTrusted: trustOf(config.trustedProxies) };
}

function routedPool(
  name: string,
  poolConfig: PoolConfig,
  config: L7RouterConfig,
  host: Host,
  former: Snapshot | undefined,
): RoutedPool {
  const { clock, random, events, metrics, log } = host;
  const known = former?.pools.get(name);
  const isSame = known && known.pool.config.retries.budgetPercent === poolConfig.retries.budgetPercent;
  const budget = isSame ? known.budget : new RetryBudget(poolConfig.retries.budgetPercent, clock);
  if (known) {
    known.pool.update(poolConfig);
    known.connections.update(poolConfig);
    return { ...known, budget };
  }
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
    localAddress,
    zone,
    checkProxyProtocol,
  });
  pool.start();
  return { pool, connections: new Connections({ config: poolConfig, clock, random, localAddress }), budget };
}

function trustOf(trustedProxies: readonly string[]): (address: string) => boolean {
  const networks = trustedProxies.map(parseCidr).filter((network) => network !== undefined);
  return (address) => {
    const bytes = networks.length > 0 ? parseAddress(address) : undefined;
    return bytes !== undefined && networks.some((network) => cidrContains(network, bytes));
  };
}
