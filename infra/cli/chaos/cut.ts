import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";

/** Whose packets a process drops: the body of `PUT /cuts/NAME`. */
export interface CutOrder {
  readonly node: TopologyNode;
  readonly from: readonly string[];
  readonly except: readonly string[];
}

const everybody = ["0.0.0.0/0", "::/0"];

/** How a local process is cut off: it drops what comes from its networks, and those who are in them drop what is its own, so
 * that their dials time out. The first order is for the node itself.
 * @param networks as in docker-compose.yml; a router that is cut off from the internet alone stays in its region */
export function ordersOf(node: TopologyNode, networks: readonly string[], nodes: readonly TopologyNode[]): CutOrder[] {
  const staysInRegion = node.region !== null && !networks.includes(`region-${node.region}`);
  const kept = staysInRegion ? nodes.filter(({ region }) => region === node.region) : [];
  const own = hostsOf(node);
  return [
    { node, from: everybody, except: kept.flatMap(hostsOf) },
    ...nodes
      .filter((other) => other !== node && !kept.includes(other))
      .map((other) => ({ node: other, from: own, except: [] })),
  ];
}

/** Its address, and those of its servers. */
function hostsOf({ address, listens }: TopologyNode): string[] {
  return [...new Set([address, ...listens.flatMap((listen) => parseSocketAddress(listen.address)?.host ?? [])])];
}
