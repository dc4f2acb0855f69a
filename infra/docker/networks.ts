import type { Topology } from "#shared/config/schema/topology.ts";
import { cidrContains, parseAddress, parseCidr, parseSocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { containerOctets } from "#shared/topology/plan.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";

/** One network of the stack in containers. */
export interface ContainerNetwork {
  /** Key in docker-compose.yml; the engine knows it as watershed-KEY. */
  readonly key: string;
  readonly subnet: string;
  /** Address of the host in it: none that a node can have. */
  readonly gateway: string;
  /** Whether nothing but its own members can be reached through it. */
  readonly internal: boolean;
  readonly purpose: string;
}

/** Control comes first by name too: where a container is in several networks that lead outside, the engine publishes its
 * ports through the first. */
export function networksOf({ regions, containers: { firstOctet: n } }: Topology): readonly ContainerNetwork[] {
  const { internet, control } = containerOctets;
  return [
    {
      key: "control",
      subnet: `${n}.${control}.0.0/11`,
      gateway: `${n}.${control + 31}.255.254`,
      internal: false,
      purpose: "admin API of every node; the host reaches the stack through it",
    },
    {
      key: "internet",
      subnet: `${n}.${internet}.0.0/9`,
      gateway: `${n}.${internet}.0.1`,
      internal: true,
      purpose: "clients, name servers and routers at their public addresses",
    },
    ...Object.entries(regions).map(([name, { number }]) => ({
      key: `region-${name}`,
      subnet: `${n}.${containerOctets.regions + number}.0.0/16`,
      gateway: `${n}.${containerOctets.regions + number}.255.254`,
      internal: true,
      purpose: `routers, forwarders and origins of ${name}`,
    })),
  ];
}

/** Networks that a node is in, each with its address there. */
export function attachmentsOf(
  { address, localAddress, admin }: TopologyNode,
  networks: readonly ContainerNetwork[],
): ReadonlyMap<string, string> {
  const addresses = new Set([address, localAddress, parseSocketAddress(admin)?.host ?? ""]);
  return new Map(
    Array.from(addresses, (one) => {
      const network = networks.find(({ subnet }) => isIn(one, subnet));
      assert(network, `${one} is in a network`);
      return [network.key, one] as const;
    }),
  );
}

/** A test client: in the internet behind its calling code, in control behind its number there. */
export function clientAttachments({ containers }: Topology, code: number): ReadonlyMap<string, string> {
  const { firstOctet } = containers;
  return new Map([
    ["internet", `${firstOctet}.${containerOctets.internet + code}.0.7`],
    ["control", `${firstOctet}.${containerOctets.control}.0.${code}`],
  ]);
}

/** Whether an address, or the whole of a network, lies in a network. */
export function isIn(inner: string, outer: string): boolean {
  const of = parseCidr(outer);
  const bytes = parseAddress(inner);
  const one = bytes ? { bytes, prefix: bytes.length * 8 } : parseCidr(inner);
  return of !== undefined && one !== undefined && one.prefix >= of.prefix && cidrContains(of, one.bytes);
}
