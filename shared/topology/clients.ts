import type { Topology } from "#shared/config/schema/topology.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { planOf } from "./plan.ts";
import type { AddressPlan, PlanName } from "./plan.ts";

/** The address from which a client is tried: of the test client of a country (its code in any case), or the address given.
 * @returns country null where the address is none of a test client
 * @throws {UsageError} naming the countries, if `from` is neither */
export function clientAddressOf(
  topology: Topology,
  from: string,
  planName: PlanName = "loopback",
): { address: string; country: string | null } {
  const plan = planOf(topology, planName);
  const bytes = parseAddress(from);
  if (bytes) {
    const address = formatAddress(bytes);
    return { address, country: countryOf(topology, plan, address) };
  }
  const country = from.toUpperCase();
  const code = Object.hasOwn(topology.testClients, country) ? topology.testClients[country] : undefined;
  if (code !== undefined) return { address: `${plan.clientNetwork(code)}.0.7`, country };
  // All of them: two letters are too few to guess from.
  const known = Object.keys(topology.testClients).join(" ") || "none";
  throw new UsageError(`"${from}" is neither an IP address nor a country that has a test client (${known})`);
}

function countryOf({ testClients }: Topology, plan: AddressPlan, address: string): string | null {
  const found = Object.entries(testClients).find(([, code]) => address.startsWith(`${plan.clientNetwork(code)}.`));
  return found?.[0] ?? null;
}
