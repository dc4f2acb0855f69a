import type { Topology } from "#shared/config/schema/topology.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";

/** The address from which a client is tried: of the test client of a country (its code in any case), or the address given.
 * @returns country null where the address is none of a test client
 * @throws {UsageError} naming the countries, if `from` is neither */
export function clientAddressOf(topology: Topology, from: string): { address: string; country: string | null } {
  const bytes = parseAddress(from);
  if (bytes) return { address: formatAddress(bytes), country: countryOf(topology, bytes) };
  const country = from.toUpperCase();
  const code = Object.hasOwn(topology.testClients, country) ? topology.testClients[country] : undefined;
  if (code !== undefined) return { address: `127.${code}.0.7`, country };
  // All of them: two letters are too few to guess from.
  const known = Object.keys(topology.testClients).join(" ") || "none";
  throw new UsageError(`"${from}" is neither an IP address nor a country that has a test client (${known})`);
}

function countryOf({ testClients }: Topology, bytes: Uint8Array): string | null {
  if (bytes.length !== 4 || bytes[0] !== 127) return null;
  return Object.keys(testClients).find((country) => testClients[country] === bytes[1]) ?? null;
}
