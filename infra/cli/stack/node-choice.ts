import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import type { ServiceName, TopologyNode } from "#shared/topology/topology.ts";

/** The service of each tier, by the name that people give the tier. */
export const services = {
  dns: "geodns",
  l7: "l7-router",
  l4: "l4-forwarder",
  origin: "origin",
} as const satisfies Record<string, ServiceName>;

/** Which nodes of a stack a command is about. */
export interface NodeChoice {
  readonly tier?: keyof typeof services;
  readonly node?: string;
}

/** @throws {UsageError} if there is no such node, or it is of another tier */
export function nodesAsked(nodes: readonly TopologyNode[], { tier, node }: NodeChoice): readonly TopologyNode[] {
  const ofTier = tier === undefined ? nodes : nodes.filter(({ service }) => service === services[tier]);
  if (node === undefined) return ofTier;
  const found = ofTier.filter(({ name }) => name === node);
  if (found.length > 0) return found;
  const names = ofTier.map(({ name }) => name);
  throw new UsageError(`there is no node "${node}"${tier ? ` in the tier ${tier}` : ""}${suggest(node, names)}`);
}
