import { nearestOf } from "#shared/config/nearest.ts";
import { protocolOf, servicesOf } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError, assert } from "#shared/core/error.ts";
import { adminPort, forwarderSeats, nameServerSeats, regionsOf, routerSeats, serversOf, zonesOf } from "./places.ts";
import type { Region, Zone } from "./places.ts";
import { planOf } from "./plan.ts";
import type { AddressPlan, PlanName, Seat } from "./plan.ts";

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
  /** Its own IP address, where those who use it find it. */
  readonly address: string;
  /** From where it connects to the tier below. */
  readonly localAddress: string;
  /** "address:port" of its admin API. */
  readonly admin: string;
  readonly listens: readonly TopologyListen[];
}

/** A node, and what of the topology its config is made from. */
export type Placed =
  | { readonly service: "geodns"; readonly node: TopologyNode }
  | { readonly service: "l7-router"; readonly node: TopologyNode; readonly region: Region }
  | { readonly service: "l4-forwarder" | "origin"; readonly node: TopologyNode; readonly zone: Zone };

/** Every node, in the order in which they are started: who is asked comes before who asks.
 * @throws {UsageError} if the topology does not fit the plan */
export function nodesOf(topology: Topology, planName: PlanName = "loopback"): readonly TopologyNode[] {
  return placedNodes(topology, planOf(topology, planName)).map(({ node }) => node);
}

/** @throws {UsageError} naming the nearest node, if there is none of this name */
export function findNode(topology: Topology, plan: AddressPlan, name: string): Placed {
  const placed = placedNodes(topology, plan);
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

function placedNodes(topology: Topology, plan: AddressPlan): readonly Placed[] {
  const regions = regionsOf(topology);
  const zones = regions.flatMap(zonesOf);
  return [
    ...zones.map((zone) => originNode(topology, plan, zone)),
    ...zones.flatMap((zone) => forwarderNodes(topology, plan, zone)),
    ...regions.flatMap((region) => routerNodes(plan, region)),
    ...nameServerNodes(topology, plan),
  ];
}

function originNode(topology: Topology, plan: AddressPlan, zone: Zone): Placed {
  const listens = serversOf(topology, plan, zone).map(({ name, service, address }) => ({
    address,
    protocol: protocolOf[service] === "udp" ? ("udp" as const) : ("tcp" as const),
    what: name,
  }));
  const place = { region: zone.region.name, zone: zone.name };
  return { service: "origin", zone, node: node("origin", `${zone.name}/origin`, place, plan.origin(zone), listens) };
}

function forwarderNodes(topology: Topology, plan: AddressPlan, zone: Zone): Placed[] {
  const place = { region: zone.region.name, zone: zone.name };
  return forwarderSeats(zone, plan).map((seat, i) => {
    const listens = servicesOf(topology.services).flatMap(([what, { port }]) =>
      port === undefined ? [] : listensOf(seat, port, protocolOf[what] === "udp" ? "udp" : "tcp", what),
    );
    return {
      service: "l4-forwarder",
      zone,
      node: node("l4-forwarder", `${zone.name}/l4-${i + 1}`, place, seat, listens),
    };
  });
}

/** Routers stand in the zones of their region in turn. */
function routerNodes(plan: AddressPlan, region: Region): Placed[] {
  const zones = zonesOf(region);
  return routerSeats(region, plan).map((seat, i) => {
    const zone = zones[i % zones.length];
    assert(zone, "a region has a zone");
    const listens = [
      ...listensOf(seat, plan.routerPort, "tcp", "HTTP"),
      ...listensOf({ ...seat, hosts: [seat.address] }, plan.routerTlsPort, "tcp", "HTTPS"),
    ];
    const place = { region: region.name, zone: zone.name };
    return {
      service: "l7-router",
      region,
      node: node("l7-router", `${region.name}/l7-${i + 1}`, place, seat, listens),
    };
  });
}

function nameServerNodes(topology: Topology, plan: AddressPlan): Placed[] {
  return nameServerSeats(topology, plan).map((seat, i) => {
    const listens = listensOf(seat, plan.dnsPort, "udp+tcp", "DNS");
    return { service: "geodns", node: node("geodns", `ns${i + 1}`, { region: null, zone: null }, seat, listens) };
  });
}

function node(
  service: ServiceName,
  name: string,
  place: { readonly region: string | null; readonly zone: string | null },
  { address, localAddress, adminHost }: Seat,
  listens: readonly TopologyListen[],
): TopologyNode {
  return { name, service, ...place, address, localAddress, admin: `${adminHost}:${adminPort}`, listens };
}

function listensOf(
  { hosts }: Seat,
  port: number,
  protocol: TopologyListen["protocol"],
  what: string,
): TopologyListen[] {
  return hosts.map((host) => ({ address: `${host}:${port}`, protocol, what }));
}
