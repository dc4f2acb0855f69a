import type { HedgeConfig } from "#shared/config/schema/hedge.ts";
import { protocolOf, servicesOf } from "#shared/config/schema/topology.ts";
import type { ServiceTopology, Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";
import { geoOf } from "./geodns-config.ts";
import { healthOf } from "./check.ts";
import type { TopologyNode } from "./nodes.ts";
import { forwarderSeats, zonesOf } from "./places.ts";
import type { Region } from "./places.ts";
import type { AddressPlan } from "./plan.ts";

/** A router: one pool for each HTTP service, whose endpoints are the forwarders of all zones of its region. */
export function routerConfig(
  topology: Topology,
  plan: AddressPlan,
  node: TopologyNode,
  region: Region,
): Record<string, unknown> {
  const services = servicesOf(topology.services).flatMap(([name, service]) =>
    protocolOf[name] === "http" && service.port !== undefined ? [{ ...service, name, port: service.port }] : [],
  );
  return {
    listeners: node.listens.map(({ address, what }) =>
      // Nobody has a certificate for a made-up name: a demo certificate is made at the start.
      what === "HTTPS" ? { address, tls: { demoNames: [topology.dnsZone, `*.${topology.dnsZone}`] } } : { address },
    ),
    engine: region.httpProxyRouters.some((number) => node.name === `${region.name}/l7-${number}`)
      ? "http-proxy"
      : "wire",
    ...(topology.routes.some(({ match }) => match.countries) && { geo: geoOf(topology, plan) }),
    ...(topology.router.tracing && { tracing: topology.router.tracing }),
    routes: topology.routes.map(({ match, service }) => ({ match, pool: service })),
    pools: Object.fromEntries(services.map((service) => [service.name, pool(topology, plan, region, service)])),
  };
}

function pool(
  topology: Topology,
  plan: AddressPlan,
  region: Region,
  service: ServiceTopology & { readonly port: number },
): Record<string, unknown> {
  const { balance, connectionMaxAgeMs, retries } = topology.router;
  return {
    balance,
    endpoints: zonesOf(region).flatMap((zone) =>
      forwarderSeats(zone, plan).map(({ address }, i) => ({
        address: `${address}:${service.port}`,
        name: `${zone.name}/l4-${i + 1}`,
        zone: zone.name,
      })),
    ),
    health: { ...healthOf(topology, "http"), drainingCounts: false }, // a forwarder passes on what one server says
    retries: {
      attempts: retries.attempts,
      budgetPercent: retries.budgetPercent,
      perTryTimeout: formatDuration(retries.perTryTimeoutMs),
      ...(retries.hedge && { hedge: { after: afterText(retries.hedge) } }),
    },
    essential: service.essential,
    connectionMaxAge: formatDuration(connectionMaxAgeMs),
    ...(service.proxyProtocol && { proxyProtocol: { send: service.proxyProtocol } }),
    ...(service.stickyCookie !== undefined && { sticky: { cookie: service.stickyCookie } }),
    panicThreshold: 50,
  };
}

function afterText({ after }: HedgeConfig): string {
  return "ms" in after ? formatDuration(after.ms) : `p${after.percentile}`;
}
