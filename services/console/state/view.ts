import type { EndpointStatus, PoolStatus } from "#shared/endpoint/status.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type {
  EndpointView,
  NodeView,
  PoolView,
  RegionView,
  Sample,
  ServerView,
  Snapshot,
  TrafficView,
} from "../model.ts";
import type { Rates } from "./rates.ts";

/** What a node said last. */
export interface Report {
  readonly node: TopologyNode;
  /** Null if it did not answer. */
  readonly status: Readonly<Record<string, unknown>> | null;
  /** Why it did not, or "". */
  readonly error: string;
  readonly rates: Rates;
}

const tiers = { geodns: "dns", "l7-router": "l7", "l4-forwarder": "l4", origin: "origin" } as const;

/** Everything that the nodes say, as one picture. */
export function viewOf(
  topology: Topology,
  reports: readonly Report[],
  traffic: TrafficView | null,
  at: { readonly id: number; readonly atMs: number },
): Snapshot {
  const nodes = reports.map(nodeView);
  const servers = reports.flatMap((report) => serverViews(report, reports));
  const regions = Object.entries(topology.regions).map(([name, { location }]) =>
    regionView(name, [location[0], location[1]], reports),
  );
  return { sample: sampleOf(nodes, reports, traffic, at), nodes, servers, regions, traffic };
}

function nodeView({ node, status, error, rates }: Report): NodeView {
  const pools = poolsOf(status).map((pool) => poolView(pool, rates));
  const router = node.service === "l7-router";
  const rate = rates.of("node");
  const milliseconds = (share: number) => {
    const quantile = router ? rates.quantile(share) : undefined;
    return quantile === undefined ? null : quantile * 1_000;
  };
  return {
    name: node.name,
    tier: tiers[node.service],
    region: node.region,
    zone: node.zone,
    address: node.address,
    state: status ? textOf(status["state"]) : "unreachable",
    reason: status ? textOf(status["reason"]) : error,
    rate,
    active: pools.reduce((sum, pool) => sum + pool.endpoints.reduce((all, { active }) => all + active, 0), 0),
    errorShare: router && rate > 0 ? Math.min(1, rates.of("errors") / rate) : null,
    p50Ms: milliseconds(0.5),
    p99Ms: milliseconds(0.99),
    pools,
  };
}

function poolView({ name, balance, panic, endpoints }: PoolStatus, rates: Rates): PoolView {
  return { name, balance, panic, endpoints: endpoints.map((endpoint) => endpointView(name, endpoint, rates)) };
}

function endpointView(pool: string, endpoint: EndpointStatus, rates: Rates): EndpointView {
  const { address, name, state, reason, since, active, weight, latencyMs, lastCheck } = endpoint;
  const rate = rates.of(`endpoint ${pool} ${address}`);
  return { address, name, state, reason, since, active, weight, latencyMs, rate, check: lastCheck?.detail ?? "" };
}

function serverViews({ node, status, rates }: Report, reports: readonly Report[]): ServerView[] {
  if (node.service !== "origin" || node.zone === null || node.region === null) return [];
  const { zone, region } = node;
  const told = new Map(recordsIn(status?.["servers"]).map((server) => [textOf(server["name"]), server]));
  const forwarders = reports.filter((report) => report.node.service === "l4-forwarder" && report.node.zone === zone);
  const seenAt = new Map<string, ServerView["seen"]>();
  for (const { node: forwarder, status: said } of forwarders)
    for (const { address, state, reason } of poolsOf(said).flatMap((pool) => pool.endpoints))
      seenAt.set(address, [...(seenAt.get(address) ?? []), { by: forwarder.name, state, reason }]);
  return node.listens.map(({ what, address }) => {
    const server = told.get(what);
    return {
      name: `${zone}/${what}`,
      service: what.replace(/-\d+$/, ""),
      zone,
      region,
      address,
      state: server ? textOf(server["state"]) : "unreachable",
      delayMs: numberOf(server?.["delayMs"]),
      active: numberOf(server?.["connections"]),
      rate: rates.of(`server ${what}`),
      seen: seenAt.get(address) ?? [],
    };
  });
}

function regionView(name: string, location: readonly [number, number], reports: readonly Report[]): RegionView {
  const nameServers = reports.filter(({ node }) => node.service === "geodns");
  return {
    name,
    location,
    steeredRate: nameServers.reduce((sum, { rates }) => sum + rates.of(`region ${name}`), 0),
    seen: nameServers.flatMap(({ node, status }) => {
      const service = recordsIn(status?.["services"])[0];
      const region = recordsIn(service?.["regions"]).find((one) => one["region"] === name);
      if (!region) return [];
      const forced = region["override"];
      return [
        {
          by: node.name,
          healthy: region["healthy"] === true,
          reason: textOf(region["reason"]),
          forced: typeof forced === "string" ? forced : null,
        },
      ];
    }),
  };
}

function sampleOf(
  nodes: readonly NodeView[],
  reports: readonly Report[],
  traffic: TrafficView | null,
  at: { readonly id: number; readonly atMs: number },
): Sample {
  const routers = nodes.filter(({ tier }) => tier === "l7");
  const sum = (list: readonly NodeView[]) => list.reduce((all, { rate }) => all + rate, 0);
  const httpRate = sum(routers);
  const errors = reports.reduce(
    (all, { node, rates }) => all + (node.service === "l7-router" ? rates.of("errors") : 0),
    0,
  );
  const regions = Object.fromEntries(
    [...Map.groupBy(routers, ({ region }) => region ?? "")].map(([name, members]) => [name, sum(members)]),
  );
  return {
    ...at,
    dnsRate: sum(nodes.filter(({ tier }) => tier === "dns")),
    httpRate,
    errorShare: httpRate > 0 ? Math.min(1, errors / httpRate) : null,
    p50Ms: weightedMean(routers, ({ p50Ms }) => p50Ms),
    p99Ms: worst(routers.map(({ p99Ms }) => p99Ms)),
    regions,
    clientFailures: (traffic?.countries ?? []).reduce((all, { failed }) => all + failed, 0),
  };
}

function weightedMean(nodes: readonly NodeView[], of: (node: NodeView) => number | null): number | null {
  let [sum, weights] = [0, 0];
  for (const node of nodes) {
    const value = of(node);
    if (value === null) continue;
    sum += value * node.rate;
    weights += node.rate;
  }
  return weights > 0 ? sum / weights : null;
}

function worst(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

function poolsOf(status: Report["status"]): PoolStatus[] {
  return recordsIn(status?.["pools"]).filter((pool) => Array.isArray(pool["endpoints"])) as unknown as PoolStatus[];
}

function recordsIn(value: unknown): Record<string, unknown>[] {
  if (!Array.isArray(value)) return [];
  return value.filter((one): one is Record<string, unknown> => typeof one === "object" && one !== null);
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const numberOf = (value: unknown): number => (typeof value === "number" ? value : 0);
