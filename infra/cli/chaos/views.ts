import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { ServerPart, Target } from "./target.ts";

/** How a part of a target looks from the tier above it: endpoints with these addresses, in the pools of that node. */
export interface View {
  readonly watcher: TopologyNode;
  /** "host" for every port of it, or "host:port" */
  readonly addresses: readonly string[];
}

/** Who has the target among its endpoints. `direct`: those that send it work. `all`: also the tier above them, where all
 * servers that stand behind a forwarder's port are hit, so that it closes.
 * @param blind nodes that see nothing, as they are hit themselves */
export function viewsOf(
  target: Target,
  nodes: readonly TopologyNode[],
  which: "direct" | "all",
  blind: readonly TopologyNode[] = target.nodes,
): View[] {
  const lost = which === "all" ? closedPorts(target, nodes) : [];
  const addressesFor = ({ service, region, zone }: TopologyNode): string[] => {
    if (service === "geodns") return addressesOf(target, "l7-router");
    if (service === "l7-router")
      return [
        ...addressesOf(target, "l4-forwarder", region),
        ...lost.filter((port) => port.region === region).map(({ address }) => address),
      ];
    if (service !== "l4-forwarder") return [];
    return target.servers.filter(({ origin }) => origin.zone === zone).map(({ address }) => address);
  };
  return nodes.flatMap((watcher) => {
    const addresses = blind.includes(watcher) ? [] : addressesFor(watcher);
    return addresses.length > 0 ? [{ watcher, addresses }] : [];
  });
}

function addressesOf({ nodes }: Target, tier: TopologyNode["service"], region?: string | null): string[] {
  return nodes.flatMap((node) =>
    node.service === tier && (region === undefined || node.region === region) ? [node.address] : [],
  );
}

/** Ports of forwarders that are not hit, behind which every server is. */
function closedPorts({ nodes: hit, servers }: Target, nodes: readonly TopologyNode[]) {
  return nodes.flatMap((forwarder) => {
    if (forwarder.service !== "l4-forwarder" || hit.includes(forwarder)) return [];
    const origin = nodes.find(({ service, zone }) => service === "origin" && zone === forwarder.zone);
    return forwarder.listens.flatMap(({ what, address }) => {
      const behind = origin?.listens.filter((listen) => listen.what.replace(/-\d+$/, "") === what) ?? [];
      const all = behind.length > 0 && behind.every((listen) => isHit(servers, listen.address));
      return all ? [{ address, region: forwarder.region }] : [];
    });
  });
}

function isHit(servers: readonly ServerPart[], address: string): boolean {
  return servers.some((server) => server.address === address);
}

/** Whether an endpoint ("host:port") is one of those addresses. */
export function isOneOf(endpoint: string, addresses: readonly string[]): boolean {
  const host = parseSocketAddress(endpoint)?.host ?? endpoint;
  return addresses.includes(endpoint) || addresses.includes(host);
}

const above: Readonly<Record<TopologyNode["service"], readonly TopologyNode["service"][]>> = {
  origin: ["l4-forwarder", "l7-router", "geodns"],
  "l4-forwarder": ["l7-router", "geodns"],
  "l7-router": ["geodns"],
  geodns: [],
};

/** Whose events tell what becomes of a target: all tiers above any part of it, in its place. */
export function watchersOf(target: Target, nodes: readonly TopologyNode[], blind = target.nodes): TopologyNode[] {
  const parts = [...target.nodes, ...target.servers.map(({ origin }) => origin)];
  return nodes.filter(
    (node) =>
      !blind.includes(node) &&
      parts.some((part) => above[part.service].includes(node.service) && standsAbove(node, part)),
  );
}

function standsAbove(node: TopologyNode, part: TopologyNode): boolean {
  if (node.service === "geodns") return true;
  return node.service === "l7-router" ? node.region === part.region : node.zone === part.zone;
}
