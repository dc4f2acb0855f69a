import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import { noRates } from "./rates.ts";
import type { Rates } from "./rates.ts";
import { viewOf } from "./view.ts";
import type { Report } from "./view.ts";

const file = path.resolve(import.meta.dirname, "../../../infra/topology.yaml");
const topology = parseConfig(readFileSync(file, "utf8"), file, topologySchema);
const nodes = nodesOf(topology);
const at = { id: 7, atMs: 1_000 };

const endpoint = (address: string, name: string, state: string, reason: string) => ({
  address,
  name,
  state,
  reason,
  zone: null,
  eligible: state === "up",
  since: "2026-01-01T00:00:00.000Z",
  active: 2,
  weight: 1,
  backup: false,
  latencyMs: 1.5,
  lastCheck: null,
});
const ratesOf = (rates: Readonly<Record<string, number>>): Rates => ({
  of: (key) => rates[key] ?? 0,
  quantile: () => 0.02,
});

/** Nothing answers, but the nodes that are given. */
function reports(said: Readonly<Record<string, { status: Record<string, unknown>; rates?: Rates }>>): Report[] {
  return nodes.map((node) => {
    const own = said[node.name];
    return own
      ? { node, status: own.status, error: "", rates: own.rates ?? noRates }
      : { node, status: null, error: "CONNECT_REFUSED", rates: noRates };
  });
}

describe("the picture of a stack", () => {
  it("has every node of the topology, and says why one does not answer", () => {
    const { nodes: views, servers } = viewOf(topology, reports({}), null, at);
    expect(views.map(({ name }) => name)).toEqual(nodes.map(({ name }) => name));
    expect(new Set(views.map(({ state, reason }) => `${state} ${reason}`))).toEqual(
      new Set(["unreachable CONNECT_REFUSED"]),
    );
    expect(servers).toHaveLength(4 * 13);
    expect(new Set(servers.map(({ state }) => state))).toEqual(new Set(["unreachable"]));
  });

  it("tells of a server what its origin says, and what the forwarders of its zone see", () => {
    const pools = [
      {
        name: "api",
        balance: "round-robin",
        panic: false,
        eligible: 2,
        essential: true,
        endpoints: [endpoint("127.11.1.100:9000", "api-1", "down", "CHECK_REFUSED")],
      },
    ];
    const server = {
      name: "api-1",
      service: "api",
      address: "127.11.1.100:9000",
      state: "stopped",
      delayMs: 0,
      connections: 3,
    };
    const { servers } = viewOf(
      topology,
      reports({
        "eu-west-a/l4-1": { status: { state: "ready", reason: "OK", pools } },
        "eu-west-b/l4-1": { status: { state: "ready", reason: "OK", pools } },
        "eu-west-a/origin": {
          status: { state: "ready", reason: "OK", servers: [server] },
          rates: ratesOf({ "server api-1": 4 }),
        },
      }),
      null,
      at,
    );
    expect(servers.find(({ name }) => name === "eu-west-a/api-1")).toMatchObject({
      state: "stopped",
      rate: 4,
      active: 3,
      service: "api",
      region: "eu-west",
      seen: [{ by: "eu-west-a/l4-1", state: "down", reason: "CHECK_REFUSED" }],
    });
  });

  it("counts requests, errors and times of routers alone", () => {
    const status = { state: "ready", reason: "OK", pools: [] };
    const { sample, nodes: views } = viewOf(
      topology,
      reports({
        "eu-west/l7-1": { status, rates: ratesOf({ node: 30, errors: 3 }) },
        "us-east/l7-2": { status, rates: ratesOf({ node: 10, errors: 1 }) },
        ns1: { status, rates: ratesOf({ node: 5, "region eu-west": 4 }) },
      }),
      null,
      at,
    );
    expect(sample).toEqual({
      ...at,
      dnsRate: 5,
      httpRate: 40,
      errorShare: 0.1,
      p50Ms: 20,
      p99Ms: 20,
      clientFailures: 0,
      regions: { "eu-west": 30, "us-east": 10 },
    });
    expect(views.find(({ name }) => name === "ns1")).toMatchObject({ rate: 5, errorShare: null, p50Ms: null });
  });

  it("says of a region what each name server thinks", () => {
    const region = { region: "eu-west", healthy: false, reason: "NO_HEALTHY", override: "drain" };
    const status = { state: "ready", reason: "OK", pools: [], services: [{ name: "web", regions: [region] }] };
    const { regions } = viewOf(
      topology,
      reports({ ns2: { status, rates: ratesOf({ "region eu-west": 4 }) } }),
      null,
      at,
    );
    expect(regions[0]).toEqual({
      name: "eu-west",
      location: [53.35, -6.26],
      steeredRate: 4,
      seen: [{ by: "ns2", healthy: false, reason: "NO_HEALTHY", forced: "drain" }],
    });
  });

  it("is made of whatever a node says, also where it is nonsense", () => {
    const status = { state: 4, pools: [null, { name: "x" }, 3], servers: "none", services: [{}] };
    const { nodes: views } = viewOf(topology, reports({ ns1: { status }, "eu-west-a/origin": { status } }), null, at);
    expect(views.find(({ name }) => name === "ns1")).toMatchObject({ state: "", pools: [] });
  });
});
