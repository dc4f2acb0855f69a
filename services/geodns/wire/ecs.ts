import type { AddressBytes } from "#shared/core/cidr.ts";

/** The client's subnet, as a resolver tells it. */
export interface Subnet {
  /** The whole option, to be echoed with another scope. */
  readonly option: Uint8Array;
  readonly sourcePrefix: number;
  /** The address, filled up with zeros; undefined where the client asks for privacy (source prefix 0). */
  readonly address: AddressBytes | undefined;
}

const fixedBytes = 4; // family, source prefix, scope prefix
const addressBytesOf: Readonly<Record<number, number>> = { 1: 4, 2: 16 };

/** Reads an EDNS Client Subnet option of a query.
 * @returns undefined where RFC 7871 asks for FORMERR: unknown family, a prefix over 32 or 128, a scope, an address of
 *   another length than the prefix needs, bits set behind the prefix
 * @see RFC 7871 §6, §7.1.2 */
export function readSubnet(option: Uint8Array): Subnet | undefined {
  if (option.length < fixedBytes) return undefined;
  const family = ((option[0] ?? 0) << 8) | (option[1] ?? 0);
  const sourcePrefix = option[2] ?? 0;
  const scopePrefix = option[3] ?? 0;
  if (scopePrefix !== 0) return undefined;
  // Family 0 with nothing in it is how `dig +subnet=0` says "no address of mine".
  if (family === 0) return option.length === fixedBytes && sourcePrefix === 0 ? privateSubnet(option) : undefined;
  const addressBytes = addressBytesOf[family];
  if (addressBytes === undefined || sourcePrefix > addressBytes * 8) return undefined;
  if (option.length !== fixedBytes + Math.ceil(sourcePrefix / 8)) return undefined;
  const spareBits = (8 - (sourcePrefix & 7)) & 7;
  if (((option[option.length - 1] ?? 0) & ((1 << spareBits) - 1)) !== 0) return undefined;
  if (sourcePrefix === 0) return privateSubnet(option);
  const address = new Uint8Array(addressBytes);
  address.set(option.subarray(fixedBytes));
  return { option, sourcePrefix, address };
}

function privateSubnet(option: Uint8Array): Subnet {
  return { option, sourcePrefix: 0, address: undefined };
}

/** The option of the answer: family, source prefix and address as they came. */
export function echoSubnet(subnet: Subnet, scopePrefix: number): Uint8Array {
  const option = subnet.option.slice();
  option[3] = scopePrefix;
  return option;
}
