import { servicesOf } from "#shared/config/schema/topology.ts";
import type { OriginService, RegionTopology, ServiceTopology, Topology } from "#shared/config/schema/topology.ts";
import type { AddressPlan, Seat } from "./plan.ts";

export { adminPort } from "#shared/config/schema/topology.ts";

/** A region with its name. */
export interface Region extends RegionTopology {
  readonly name: string;
}

/** One zone of a region. */
export interface Zone {
  /** "eu-west-a" */
  readonly name: string;
  /** Third octet of its addresses: a is 1. */
  readonly number: number;
  readonly region: Region;
}

/** One server of a zone. */
export interface Server {
  /** "api-3": counted from 1 in its zone. */
  readonly name: string;
  readonly service: OriginService;
  /** "address:port" */
  readonly address: string;
  readonly settings: ServiceTopology;
}

export function regionsOf(topology: Topology): readonly Region[] {
  return Object.entries(topology.regions).map(([name, region]) => ({ name, ...region }));
}

export function zonesOf(region: Region): readonly Zone[] {
  return region.zones.map((letter) => ({
    name: `${region.name}-${letter}`,
    number: letter.charCodeAt(0) - "a".charCodeAt(0) + 1,
    region,
  }));
}

/** Every server of a zone, service by service. */
export function serversOf(topology: Topology, plan: AddressPlan, zone: Zone): readonly Server[] {
  return servicesOf(topology.services).flatMap(([service, settings]) =>
    Array.from({ length: settings.servers }, (_, i) => {
      const { host, port } = plan.server(zone, settings.firstHost + i);
      return { name: `${service}-${i + 1}`, service, address: `${host}:${port}`, settings };
    }),
  );
}

export function nameServerSeats({ nameServers }: Topology, plan: AddressPlan): readonly Seat[] {
  return counted(nameServers, (i) => plan.nameServer(i));
}

export function routerSeats(region: Region, plan: AddressPlan): readonly Seat[] {
  return counted(region.routers, (i) => plan.router(region, i));
}

export function forwarderSeats(zone: Zone, plan: AddressPlan): readonly Seat[] {
  return counted(zone.region.forwarders, (i) => plan.forwarder(zone, i));
}

function counted<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i + 1));
}
