import { balanceNames } from "#shared/config/schema/common.ts";
import { fleetAddresses, startFleet } from "../fleet.ts";
import { countBy, imbalance, mean, quantile } from "../statistics.ts";
import { play } from "../traffic.ts";
import type { Ended } from "../traffic.ts";

export type Algorithm = (typeof balanceNames)[number];

/** A server of every algorithm's own set. */
export interface SetServer {
  readonly weight?: number;
  readonly slots?: number;
  readonly speed?: number;
}

/** One request that each algorithm is given. */
export interface Job {
  readonly atMs: number;
  readonly client: number;
  readonly workMs: number;
}

export interface Result {
  readonly algorithm: Algorithm;
  readonly ended: readonly Ended[];
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly meanMs: number;
  /** Of the busiest server, against its part by weight. 1 is even. */
  readonly imbalance: number;
  /** Requests that met the server of the first request of their client, of all that were not a first one; 0..1. */
  readonly affinity: number;
}

/** Gives the same requests to every algorithm at the same time, each with a router's pool and servers of its own, so that
 * nothing differs but the choice. */
export async function sideBySide(
  servers: readonly SetServer[],
  jobs: readonly Job[],
  algorithms: readonly Algorithm[] = balanceNames,
): Promise<readonly Result[]> {
  const addresses = await fleetAddresses();
  const { host } = addresses;
  const router = `${host}:8080`;
  const sets = algorithms.map((algorithm, i) => ({
    algorithm,
    servers: servers.map(({ weight = 1, slots = 1, speed = 1 }, j) => ({
      name: `${algorithm}-${j + 1}`,
      address: `${host}:${9_001 + 20 * i + j}`,
      weight,
      jobs: { slots, speed },
    })),
  }));
  const origin = sets.flatMap((set) =>
    set.servers.map(({ name, address, jobs: config }) => ({ name, address, service: "jobs", jobs: config })),
  );
  const pools = sets.map(({ algorithm, servers: set }) => {
    const endpoints = set.map(({ address, weight }) => ({ address, weight }));
    return [algorithm, { balance: algorithm, endpoints, retries: { attempts: 1 } }] as const;
  });
  await using _fleet = await startFleet(addresses, [
    { name: "origin", service: "origin", config: { servers: origin } },
    {
      name: "router",
      service: "l7-router",
      config: {
        listeners: [{ address: router }],
        routes: algorithms.map((algorithm) => ({ match: { path: `/${algorithm}/*` }, pool: algorithm })),
        pools: Object.fromEntries(pools),
      },
    },
  ]);
  return await Promise.all(
    sets.map(async ({ algorithm, servers: set }) => {
      const plan = jobs.map(({ atMs, client, workMs }) => {
        return { atMs, client, to: router, path: `/${algorithm}/?work=${workMs}ms` };
      });
      const ended = await play(plan, addresses.client);
      return resultOf(algorithm, ended, new Map(set.map(({ name, weight }) => [name, weight])));
    }),
  );
}

function resultOf(algorithm: Algorithm, ended: readonly Ended[], parts: ReadonlyMap<string, number>): Result {
  const tookMs = ended.map((one) => one.tookMs);
  return {
    algorithm,
    ended,
    failed: ended.filter(({ status }) => status !== 200).length,
    p50Ms: quantile(tookMs, 0.5),
    p99Ms: quantile(tookMs, 0.99),
    meanMs: mean(tookMs),
    imbalance: imbalance(
      countBy(ended, ({ server }) => server),
      parts,
    ),
    affinity: affinityOf(ended),
  };
}

function affinityOf(ended: readonly Ended[]): number {
  const homes = new Map<number, string>();
  let later = 0;
  let home = 0;
  for (const { client, server } of ended) {
    const first = homes.get(client);
    if (first === undefined) homes.set(client, server);
    else {
      later++;
      if (first === server) home++;
    }
  }
  return later === 0 ? 1 : home / later;
}
