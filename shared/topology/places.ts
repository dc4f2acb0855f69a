import { originHost, servicesOf } from "#shared/config/schema/topology.ts";
import type { OriginService, RegionTopology, ServiceTopology, Topology } from "#shared/config/schema/topology.ts";

export const dnsPort = 5300;
export const routerPort = 8080;
export const serverPort = 9000;
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
  readonly host: string;
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
export function serversOf(topology: Topology, zone: Zone): readonly Server[] {
  return servicesOf(topology.services).flatMap(([service, settings]) =>
    Array.from({ length: settings.servers }, (_, i) => ({
      name: `${service}-${i + 1}`,
      service,
      host: zoneHost(zone, settings.firstHost + i),
      settings,
    })),
  );
}

export function nameServerHosts(topology: Topology): readonly string[] {
  return Array.from({ length: topology.nameServers }, (_, i) => `127.${topology.nameServerNumber}.0.${i + 1}`);
}

export function routerHosts(region: Region): readonly string[] {
  return Array.from({ length: region.routers }, (_, i) => `127.${region.number}.0.${i + 1}`);
}

export function forwarderHosts(zone: Zone): readonly string[] {
  return Array.from({ length: zone.region.forwarders }, (_, i) => zoneHost(zone, i + 1));
}

/** Where the origin process of a zone has its admin API, and from where its servers connect. */
export function originHostOf(zone: Zone): string {
  return zoneHost(zone, originHost);
}

function zoneHost(zone: Zone, host: number): string {
  return `127.${zone.region.number}.${zone.number}.${host}`;
}
