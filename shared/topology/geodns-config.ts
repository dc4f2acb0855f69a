import type { Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";
import { healthOf } from "./check.ts";
import type { TopologyNode } from "./nodes.ts";
import { nameServerHosts, regionsOf, routerHosts, routerPort } from "./places.ts";

/** A name server: every one of them answers for the whole stack. */
export function geodnsConfig(topology: Topology, node: TopologyNode): Record<string, unknown> {
  const regions = regionsOf(topology);
  return {
    listen: node.listens.map(({ address }) => address),
    identity: { id: node.name },
    geo: { networks: testNetworks(topology) },
    regions: Object.fromEntries(regions.map(({ name, location }) => [name, { location }])),
    steering: topology.steering,
    services: {
      web: {
        ttl: formatDuration(topology.dns.ttlMs),
        answers: topology.dns.answers,
        regions: Object.fromEntries(regions.map((region) => [region.name, { addresses: routerHosts(region) }])),
        health: { ...healthOf(topology, "http"), port: routerPort },
      },
    },
    dnsZones: { [topology.dnsZone]: dnsZone(topology) },
  };
}

/** Where test clients live: 127.49.0.0/16 lies in Germany. */
function testNetworks({ testClients }: Topology): Record<string, unknown> {
  return Object.fromEntries(Object.entries(testClients).map(([country, code]) => [`127.${code}.0.0/16`, { country }]));
}

function dnsZone(topology: Topology): Record<string, unknown> {
  const hosts = nameServerHosts(topology);
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
