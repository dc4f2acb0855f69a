import { originHost } from "#shared/config/schema/topology.ts";
import type { Topology } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Region, Zone } from "./places.ts";

export const planNames = ["loopback", "containers"] as const;
/** Local processes on loopback addresses, or containers in networks of their own. */
export type PlanName = (typeof planNames)[number];

/** Where a node stands in the network. */
export interface Seat {
  /** Where those who use it find it. */
  readonly address: string;
  /** From where it connects to the tier below. */
  readonly localAddress: string;
  readonly adminHost: string;
  /** Every address that it listens on for its work, its own first. */
  readonly hosts: readonly string[];
}

/** The addresses of a topology. Nodes are counted from 1. */
export interface AddressPlan {
  readonly dnsPort: number;
  readonly routerPort: number;
  readonly routerTlsPort: number;
  /** Who moves the bytes of a forwarder. */
  readonly forwarderMode: "userspace" | "auto";
  nameServer(i: number): Seat;
  router(region: Region, i: number): Seat;
  forwarder(zone: Zone, i: number): Seat;
  origin(zone: Zone): Seat;
  /** One server of a zone, by the last octet that it has on loopback. */
  server(zone: Zone, host: number): { readonly host: string; readonly port: number };
  /** First two octets of where the clients of a calling code live. */
  clientNetwork(code: number): string;
  /** Where a name server finds a geo database of one's own. */
  geoDatabase(path: string): string;
}

/** The plan of a topology.
 * @throws {UsageError} if a number of the topology does not fit into it */
export function planOf(topology: Topology, name: PlanName): AddressPlan {
  if (name === "loopback") return loopback(topology);
  mustFitContainers(topology);
  return containers(topology);
}

/** Every node has one address for everything, and so has every server. */
function loopback({ nameServerNumber }: Topology): AddressPlan {
  const seat = (address: string): Seat => ({ address, localAddress: address, adminHost: address, hosts: [address] });
  const zoneHost = (zone: Zone, host: number) => `127.${zone.region.number}.${zone.number}.${host}`;
  return {
    dnsPort: 5300,
    routerPort: 8080,
    routerTlsPort: 8443,
    forwarderMode: "userspace", // The rules of this host are its own.
    nameServer: (i) => seat(`127.${nameServerNumber}.0.${i}`),
    router: (region, i) => seat(`127.${region.number}.0.${i}`),
    forwarder: (zone, i) => seat(zoneHost(zone, i)),
    origin: (zone) => seat(zoneHost(zone, originHost)),
    server: (zone, host) => ({ host: zoneHost(zone, host), port: 9_000 }),
    clientNetwork: (code) => `127.${code}`,
    geoDatabase: (path) => path,
  };
}

/** Second octets: the internet is the lower half, the network of region r is 128 + r, control begins at 192. */
export const containerOctets = { internet: 0, regions: 128, control: 192 } as const;
/** Where the folder of a geo database of one's own is mounted. */
export const geoFolder = "/geo";
const regionNumberMax = 31; // control is 10.192.0.0/11: 32 second octets, and region r has 192 + r
const nameServerNumberMax = 127; // the internet is 10.0.0.0/9

/** The internet holds name servers and routers, a region's network its routers, forwarders and origins. Control reaches
 * the admin API of every node, and name servers and routers from the host. */
function containers({ nameServerNumber, containers: { firstOctet } }: Topology): AddressPlan {
  const at = (second: number, third: number, fourth: number) => `${firstOctet}.${second}.${third}.${fourth}`;
  const privateHost = ({ number }: Region, z: number, i: number) => at(containerOctets.regions + number, z, i);
  const controlHost = ({ number }: Region, z: number, i: number) => at(containerOctets.control + number, z, i);
  const inZone = ({ region, number }: Zone, i: number): Seat => {
    const address = privateHost(region, number, i);
    return { address, localAddress: address, adminHost: controlHost(region, number, i), hosts: [address] };
  };
  return {
    dnsPort: 53,
    routerPort: 80,
    routerTlsPort: 443,
    forwarderMode: "auto", // A container has rules of its own.
    nameServer(i) {
      const address = at(nameServerNumber, 0, i);
      const adminHost = at(containerOctets.control, nameServerNumber, i);
      return { address, localAddress: address, adminHost, hosts: [address, adminHost] };
    },
    router(region, i) {
      const address = at(region.number, 0, i);
      const adminHost = controlHost(region, 0, i);
      return { address, localAddress: privateHost(region, 0, i), adminHost, hosts: [address, adminHost] };
    },
    forwarder: inZone,
    origin: (zone) => inZone(zone, originHost),
    // One address for the servers of a zone: they are told apart by their ports.
    server: ({ region, number }, host) => ({ host: privateHost(region, number, originHost), port: 9_000 + host }),
    clientNetwork: (code) => `${firstOctet}.${code}`,
    geoDatabase: (path) => `${geoFolder}/${path.slice(path.lastIndexOf("/") + 1)}`,
  };
}

function mustFitContainers({ regions, nameServerNumber }: Topology): void {
  for (const [name, { number }] of Object.entries(regions))
    if (number > regionNumberMax)
      throw new UsageError(
        `regions.${name}.number: ${number} does not fit into the networks of containers: choose 2 to ${regionNumberMax}`,
      );
  if (nameServerNumber > nameServerNumberMax)
    throw new UsageError(
      `nameServerNumber: ${nameServerNumber} does not fit into the networks of containers: choose 2 to ${nameServerNumberMax}`,
    );
}
