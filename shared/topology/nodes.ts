import { nearestOf } from "#shared/config/nearest.ts";
import { protocolOf, servicesOf } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError, assert } from "#shared/core/error.ts";
import {
  adminPort,
  dnsPort,
  forwarderHosts,
  nameServerHosts,
  originHostOf,
  regionsOf,
  routerHosts,
  routerPort,
  serverPort,
  serversOf,
  zonesOf,
} from "./places.ts";
import type { Region, Zone } from "./places.ts";

export type ServiceName = "geodns" | "l7-router" | "l4-forwarder" | "origin";

/** A listening socket of a node, beside its admin API. */
export interface TopologyListen {
  /** "address:port" */
  readonly address: string;
  readonly protocol: "tcp" | "udp" | "udp+tcp";
  /** What is spoken there: DNS, HTTP, the service of a forwarder's listener, or the server's name. */
  readonly what: string;
}

/** One process of the stack. */
export interface TopologyNode {
  /** `ns1`, `eu-west/l7-1`, `eu-west-a/l4-1` or `eu-west-a/origin` */
  readonly name: string;
  readonly service: ServiceName;
  readonly region: string | null;
  /** "eu-west-a": where it stands. */
  readonly zone: string | null;
  /** Its own IP address. */
  readonly address: string;
  /** "address:port" of its admin API. */
  readonly admin: string;
  readonly listens: readonly TopologyListen[];
}

/** A node, and what of the topology its config is made from. */
export type Placed =
  | { readonly service: "geodns"; readonly node: TopologyNode }
  | { readonly service: "l7-router"; readonly node: TopologyNode; readonly region: Region }
  | { readonly service: "l4-forwarder" | "origin"; readonly node: TopologyNode; readonly zone: Zone };

/** Every node, in the order in which they are started: who is asked comes before who asks. */
export function nodesOf(topology: Topology): readonly TopologyNode[] {
  return placedNodes(topology).map(({ node }) => node);
}

/** @throws {UsageError} naming the nearest node, if there is none of this name */
export function findNode(topology: Topology, name: string): Placed {
  const placed = placedNodes(topology);
  const found = placed.find(({ node }) => node.name === name);
  if (found) return found;
  const names = placed.map(({ node }) => node.name);
  const nearest = nearestOf(name, names);
  const hint = nearest === undefined ? `the nodes are ${listShort(names)}` : `did you mean ${nearest}?`;
  throw new UsageError(`there is no node "${name}" in the topology (${hint})`);
}

const namesShownMax = 12; // a line of a terminal

function listShort(names: readonly string[]): string {
  const shown = names.slice(0, namesShownMax).join(", ");
  return names.length > namesShownMax ? `${shown} and ${names.length - namesShownMax} more` : shown;
}

function placedNodes(topology: Topology): readonly Placed[] {
  const regions = regionsOf(topology);
  const zones = regions.flatMap(zonesOf);
  return [
    ...zones.map((zone) => originNode(topology, zone)),
    ...zones.flatMap((zone) => forwarderNodes(topology, zone)),
    ...regions.flatMap(routerNodes),
    ...nameServerNodes(topology),
  ];
}

function originNode(topology: Topology, zone: Zone): Placed {
  const listens = serversOf(topology, zone).map(({ name, service, host }) => ({
    address: `${host}:${serverPort}`,
    protocol: protocolOf[service] === "udp" ? ("udp" as const) : ("tcp" as const),
    what: name,
  }));
  const place = { region: zone.region.name, zone: zone.name };
  return { service: "origin", zone, node: node("origin", `${zone.name}/origin`, place, originHostOf(zone), listens) };
}

function forwarderNodes(topology: Topology, zone: Zone): Placed[] {
  const place = { region: zone.region.name, zone: zone.name };
  return forwarderHosts(zone).map((host, i) => {
    const listens = servicesOf(topology.services).flatMap(([what, { port }]) =>
      port === undefined ? [] : [{ address: `${host}:${port}`, protocol: "tcp" as const, what }],
    );
    return {
      service: "l4-forwarder",
      zone,
      node: node("l4-forwarder", `${zone.name}/l4-${i + 1}`, place, host, listens),
    };
  });
}

/** Routers stand in the zones of their region in turn. */
function routerNodes(region: Region): Placed[] {
  const zones = zonesOf(region);
  return routerHosts(region).map((host, i) => {
    const zone = zones[i % zones.length];
    assert(zone, "a region has a zone");
    const listens = [{ address: `${host}:${routerPort}`, protocol: "tcp" as const, what: "HTTP" }];
    const place = { region: region.name, zone: zone.name };
    return {
      service: "l7-router",
      region,
      node: node("l7-router", `${region.name}/l7-${i + 1}`, place, host, listens),
    };
  });
}

function nameServerNodes(topology: Topology): Placed[] {
  return nameServerHosts(topology).map((host, i) => {
    const listens = [{ address: `${host}:${dnsPort}`, protocol: "udp+tcp" as const, what: "DNS" }];
    return { service: "geodns", node: node("geodns", `ns${i + 1}`, { region: null, zone: null }, host, listens) };
  });
}

function node(
  service: ServiceName,
  name: string,
  place: { readonly region: string | null; readonly zone: string | null },
  address: string,
  listens: readonly TopologyListen[],
): TopologyNode {
  return { name, service, ...place, address, admin: `${address}:${adminPort}`, listens };
}
