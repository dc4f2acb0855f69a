import type { Topology } from "#shared/config/schema/topology.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { Caller } from "./caller.ts";
import { clientOf, targetOf } from "./client.ts";
import type { Client } from "./client.ts";
import type { Source } from "./traffic.ts";

export const clientsMax = 64; // of a country: each has connections of its own

/** The stack that traffic is sent to. */
export interface TrafficStack {
  readonly topology: Topology;
  readonly nodes: readonly TopologyNode[];
  /** Address of the client container that this runs in, if it does. */
  readonly clientAddress?: string | undefined;
}

/** Clients of one country: 127.49.0.7 and the addresses after it for DE. In a client container, and for an address that is not of
 * this machine, they all have the one that there is.
 * @param from country code or address
 * @throws {UsageError} if it is neither */
export function sourceOf(
  stack: TrafficStack,
  from: string,
  ratePerSecond: number,
  options: { readonly clients: number; readonly keepConnections: boolean },
): Source {
  const client = clientOf(stack.topology, from, stack.clientAddress);
  const target = targetOf(stack.topology, "/");
  const callers = Array.from({ length: options.clients }, (_, i) => {
    return new Caller(stack.nodes, neighbour(client, i), target, options);
  });
  return { name: client.country ?? client.address, ratePerSecond, callers };
}

/** The client some addresses further in its network. */
function neighbour(client: Client, distance: number): Client {
  const bytes = parseAddress(client.address);
  if (!bytes || client.subnet !== null || client.localAddress !== client.address || bytes[0] !== 127) return client;
  const last = bytes.length - 1;
  bytes[last] = 1 + (((bytes[last] ?? 0) - 1 + distance) % 254); // .0 and .255 are no hosts
  const address = formatAddress(bytes);
  return { ...client, address, localAddress: address };
}
