import type { Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";
import { healthOf } from "./check.ts";
import type { TopologyNode } from "./nodes.ts";
import { nameServerSeats, regionsOf, routerSeats } from "./places.ts";
import type { AddressPlan } from "./plan.ts";

/** A name server: every one of them answers for the whole stack. */
export function geodnsConfig(topology: Topology, plan: AddressPlan, node: TopologyNode): Record<string, unknown> {
  const regions = regionsOf(topology);
  return {
    listen: node.listens.map(({ address }) => address),
    identity: { id: node.name },
    geo: geoOf(topology, plan),
    regions: Object.fromEntries(regions.map(({ name, location, capacity }) => [name, { location, capacity }])),
    steering: topology.steering,
    services: {
      web: {
        ttl: formatDuration(topology.dns.ttlMs),
        answers: topology.dns.answers,
        regions: Object.fromEntries(
          regions.map((region) => [
            region.name,
            { addresses: routerSeats(region, plan).map(({ address }) => address) },
          ]),
        ),
        health: { ...healthOf(topology, "http"), port: plan.routerPort },
      },
    },
    dnsZones: { [topology.dnsZone]: dnsZone(topology, plan) },
  };
}

/** Where clients are: the same for every tier that asks. */
export function geoOf(topology: Topology, plan: AddressPlan): Record<string, unknown> {
  const { database, networks } = topology.geo;
  return {
    ...(database !== "builtin" && { database: plan.geoDatabase(database) }),
    networks: { ...testNetworks(topology, plan), ...networks },
  };
}

/** Where test clients live: on loopback 127.49.0.0/16 lies in Germany. */
function testNetworks({ testClients }: Topology, plan: AddressPlan): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(testClients).map(([country, code]) => [`${plan.clientNetwork(code)}.0.0/16`, { country }]),
  );
}

function dnsZone(topology: Topology, plan: AddressPlan): Record<string, unknown> {
  const hosts = nameServerSeats(topology, plan).map(({ address }) => address);
  const names = hosts.map((_, i) => `ns${i + 1}`);
  return {
    soa: { primary: "ns1", contact: "hostmaster", refresh: "1h", retry: "10m", expire: "7d", negativeTtl: "30s" },
    ttl: "5m",
    records: {
      "@": { NS: names, geo: "web", TXT: ["v=spf1 -all"] },
      ...Object.fromEntries(hosts.map((host, i) => [`ns${i + 1}`, { A: [host] }])),
      www: { geo: "web" },
      api: { CNAME: "www" },
      "*.img": { CNAME: "www" },
    },
  };
}
