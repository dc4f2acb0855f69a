import { protocolOf, servicesOf } from "#shared/config/schema/topology.ts";
import type { OriginService, ServiceTopology, Topology } from "#shared/config/schema/topology.ts";
import { healthOf } from "./check.ts";
import type { TopologyNode } from "./nodes.ts";
import { serversOf } from "./places.ts";
import type { Server, Zone } from "./places.ts";
import type { AddressPlan } from "./plan.ts";

/** A forwarder: one listener and one pool for each service that has a port, with the servers of its own zone. */
export function forwarderConfig(
  topology: Topology,
  plan: AddressPlan,
  node: TopologyNode,
  zone: Zone,
): Record<string, unknown> {
  const servers = serversOf(topology, plan, zone);
  const carried = servicesOf(topology.services).filter(([, { port }]) => port !== undefined);
  return {
    mode: plan.forwarderMode,
    listeners: carried.map(([name, { port, proxyProtocol }]) => ({
      address: `${node.address}:${port}`,
      protocol: protocolOf[name] === "udp" ? "udp" : "tcp",
      pool: name,
      ...(proxyProtocol && { proxyProtocol: { accept: proxyProtocol, send: proxyProtocol } }),
    })),
    pools: Object.fromEntries(carried.map(([name, service]) => [name, pool(topology, name, service, servers)])),
  };
}

function pool(
  topology: Topology,
  name: OriginService,
  { balance }: ServiceTopology,
  servers: readonly Server[],
): Record<string, unknown> {
  return {
    balance,
    endpoints: servers
      .filter(({ service }) => service === name)
      .map(({ address, name: server }) => ({ address, name: server })),
    health: healthOf(topology, protocolOf[name]),
    panicThreshold: 0, // a forwarder never panics: its router has another zone to go to
  };
}
