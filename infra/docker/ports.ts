import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { adminPort } from "#shared/topology/places.ts";
import { nodesOf } from "#shared/topology/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";

/** A port of 127.0.0.1 of the host that leads to a node. */
export interface PublishedPort {
  readonly port: number;
  /** Inside the container. */
  readonly target: number;
  readonly protocols: readonly ("tcp" | "udp")[];
  readonly what: "DNS" | "HTTP" | "admin";
}

const dnsPortMin = 5_300;
const routerPortMin = 8_000; // and the number of the region
const twinStep = 100; // 8011 is the first router of region 11, 8111 its twin
const adminPortMin = 7_901;
const nodesMax = 7_999 - adminPortMin + 1; // up to the ports of the routers

/** Of every node in containers: what of it is reached from the host. Admin ports are counted in the order in which a
 * request goes: name servers, routers, forwarders, origins.
 * @throws {UsageError} if there are more nodes than admin ports */
export function publishedPorts(topology: Topology): ReadonlyMap<string, readonly PublishedPort[]> {
  const nodes = requestOrder(nodesOf(topology, "containers"));
  if (nodes.length > nodesMax)
    throw new UsageError(`${nodes.length} nodes: the host has admin ports for ${nodesMax} (${adminPortMin} up)`);
  return new Map(
    nodes.map((node, i) => {
      const admin = { port: adminPortMin + i, target: adminPort, protocols: ["tcp"], what: "admin" } as const;
      return [node.name, [...workPorts(topology, node), admin]];
    }),
  );
}

function workPorts({ regions }: Topology, { name, service, region }: TopologyNode): PublishedPort[] {
  const i = Number(/\d+$/.exec(name)?.[0]) - 1;
  if (service === "geodns") return [{ port: dnsPortMin + i, target: 53, protocols: ["udp", "tcp"], what: "DNS" }];
  if (service !== "l7-router") return [];
  const number = regions[region ?? ""]?.number ?? 0;
  return [{ port: routerPortMin + number + twinStep * i, target: 80, protocols: ["tcp"], what: "HTTP" }];
}

const order = ["geodns", "l7-router", "l4-forwarder", "origin"] as const;

/** Name servers first. */
export function requestOrder(nodes: readonly TopologyNode[]): readonly TopologyNode[] {
  return order.flatMap((service) => nodes.filter((node) => node.service === service));
}
