import { maskAddress } from "./cidr.ts";
import type { AddressBytes, Cidr } from "./cidr.ts";
import { PrefixTree } from "./prefix-tree.ts";

type Kind = "mapped" | "compatible" | "6to4" | "teredo" | "nat64";

interface Form {
  readonly kind: Kind;
  /** What stands before the IPv4 address. */
  readonly network: Cidr;
  /** Where the IPv4 address begins, bits. */
  readonly offset: number;
  /** Its bytes are turned over by it: no middlebox that rewrites addresses shall find a Teredo client's (RFC 4380 §4). */
  readonly mask: number;
}

/** An IPv4 address that an IPv6 address carries: the client is known by it. */
export interface EmbeddedIpv4 {
  readonly kind: Kind;
  readonly address: AddressBytes;
  /** Bits of the IPv6 address before those of the IPv4 address. */
  readonly offset: number;
}

/** The networks whose addresses carry an IPv4 address. */
export const embeddingForms: readonly Form[] = [
  { kind: "6to4", network: ipv6Network([0x20, 0x02], 16), offset: 16, mask: 0 }, // RFC 3056 §2
  { kind: "teredo", network: ipv6Network([0x20, 0x01], 32), offset: 96, mask: 0xff }, // RFC 4380 §4
  { kind: "nat64", network: ipv6Network([0, 0x64, 0xff, 0x9b], 96), offset: 96, mask: 0 }, // RFC 6052 §2.1
  { kind: "compatible", network: ipv6Network([], 96), offset: 96, mask: 0 }, // RFC 4291 §2.5.5.1
  { kind: "mapped", network: ipv6Network([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff], 96), offset: 96, mask: 0 }, // RFC 4291 §2.5.5.2
];

const forms = new PrefixTree<Form>();
for (const form of embeddingForms) forms.add(form.network, form);

function ipv6Network(head: readonly number[], prefix: number): Cidr {
  const bytes = new Uint8Array(16);
  bytes.set(head);
  return { bytes, prefix };
}

/** The IPv4 address in a 6to4, Teredo, NAT64 or v4-mapped address; undefined for every other. */
export function embeddedIpv4(address: AddressBytes): EmbeddedIpv4 | undefined {
  const form = address.length === 16 ? forms.find(address).value : undefined;
  if (!form) return undefined;
  const { kind, offset, mask } = form;
  const ipv4 = address.slice(offset >> 3, (offset >> 3) + 4);
  return { kind, address: ipv4.map((byte) => byte ^ mask), offset };
}

/** Shortest prefix of an IPv6 address without an IPv4 address in it that holds none with one either; 0 for IPv4. */
export function plainPrefix(address: AddressBytes): number {
  return address.length === 16 ? forms.find(address).uniformPrefix : 0;
}

/** The embedding network that a network lies in: its addresses are never looked up as they are. */
export function embeddingFormOf({ bytes, prefix }: Cidr): Form | undefined {
  if (bytes.length !== 16) return undefined;
  return embeddingForms.find(
    ({ network }) => prefix >= network.prefix && maskAddress(bytes, network.prefix).join() === network.bytes.join(),
  );
}
