import type { Topology } from "#shared/config/schema/topology.ts";
import { formatDuration } from "#shared/core/duration.ts";
import { forwarderConfig } from "./forwarder-config.ts";
import { geodnsConfig } from "./geodns-config.ts";
import { findNode } from "./nodes.ts";
import type { Placed, ServiceName, TopologyNode } from "./nodes.ts";
import { originConfig } from "./origin-config.ts";
import { planOf } from "./plan.ts";
import type { AddressPlan, PlanName } from "./plan.ts";
import { routerConfig } from "./router-config.ts";

/** A config as its YAML file would give it: durations are texts, defaults are left out. */
export type PlainConfig = Record<string, unknown>;

/** The config of one node. Validate it with the schema of the service that it names.
 * @throws {UsageError} naming the nearest node, if there is none of this name; or if the topology does not fit the plan */
export function configOf(
  topology: Topology,
  nodeName: string,
  planName: PlanName = "loopback",
): { service: ServiceName; config: PlainConfig } {
  const plan = planOf(topology, planName);
  const placed = findNode(topology, plan, nodeName);
  const config = { ...nodeConfig(topology, placed.node), ...serviceConfig(topology, plan, placed) };
  return { service: placed.service, config };
}

function serviceConfig(topology: Topology, plan: AddressPlan, placed: Placed): PlainConfig {
  switch (placed.service) {
    case "geodns":
      return geodnsConfig(topology, plan, placed.node);
    case "l7-router":
      return routerConfig(topology, plan, placed.node, placed.region);
    case "l4-forwarder":
      return forwarderConfig(topology, plan, placed.node, placed.zone);
    case "origin":
      return originConfig(topology, plan, placed.zone);
  }
}

/** The keys that every service has. */
function nodeConfig(topology: Topology, node: TopologyNode): PlainConfig {
  const { holdMs, timeoutMs } = topology.drain;
  return {
    node: node.name,
    ...(node.region !== null && { region: node.region }),
    ...(node.zone !== null && { zone: node.zone }),
    admin: node.admin,
    localAddress: node.localAddress,
    drain: {
      // Only routers are found by DNS: whoever was given their address may still come while the answer lives.
      hold: node.service === "l7-router" ? formatDuration(holdMs) : "0s",
      timeout: formatDuration(timeoutMs),
    },
  };
}
