import { formatDuration } from "#shared/core/duration.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { ServerPart, Target } from "./target.ts";
import type { Verb } from "./verbs.ts";
import { viewsOf } from "./views.ts";
import type { View } from "./views.ts";

/** One thing that a drill does. */
export type Step =
  | { readonly do: "kill" | "stop" | "pause" | "heal"; readonly node: TopologyNode }
  /** Out of these networks (keys in docker-compose.yml). */
  | { readonly do: "cut"; readonly node: TopologyNode; readonly networks: readonly string[] }
  /** At its admin API; `what` tells it to people. */
  | { readonly do: "post"; readonly node: TopologyNode; readonly path: string; readonly what: string }
  /** Those of these servers that are not running. */
  | { readonly do: "heal servers"; readonly origin: TopologyNode; readonly names: readonly string[] }
  /** Those who send work there send no new one, or do so again, and hold nobody back for having fallen often. */
  | { readonly do: "drain" | "enable"; readonly view: View };

const drillOf = { kill: "stop", stop: "stop", pause: "hang" } as const;

/** What a verb does to a target. `delayMs` is that of `slow`. */
export function stepsOf(verb: Verb, target: Target, nodes: readonly TopologyNode[], delayMs: number): Step[] {
  switch (verb) {
    case "slow":
      return serverDrills(target, `slow?delay=${formatDuration(delayMs)}`, `slow by ${formatDuration(delayMs)}`);
    case "drain":
      return viewsOf(drained(target), nodes, "direct").map((view) => ({ do: "drain", view }));
    case "cut":
      return cutOff(target).map((node) => ({ do: "cut", node, networks: networksOf(node, target) }));
    case "heal":
      return [
        ...target.nodes.map((node): Step => ({ do: "heal", node })),
        ...[...Map.groupBy(target.servers, ({ origin }) => origin)].map(([origin, servers]): Step => ({
          do: "heal servers",
          origin,
          names: servers.map(({ name }) => name),
        })),
        ...viewsOf(target, nodes, "all", []).map((view): Step => ({ do: "enable", view })),
      ];
    case "kill":
    case "stop":
    case "pause":
      if (target.nodes.length > 0) return target.nodes.map((node) => ({ do: verb, node }));
      return serverDrills(target, drillOf[verb], verb === "pause" ? "hung" : "stopped");
  }
}

/** Servers of a service together, where all of them in the zone are meant. */
function serverDrills({ kind, servers }: Target, drill: string, what: string): Step[] {
  const post = (origin: TopologyNode, path: string, who: string): Step => ({
    do: "post",
    node: origin,
    path: `${path}/${drill}`,
    what: `${who} ${what}`,
  });
  if (kind === "server") return servers.map(({ origin, name }) => post(origin, `/servers/${name}`, name));
  const byService = Map.groupBy(servers, ({ origin, service }) => `${origin.name} ${service}`);
  return [...byService.values()].map((members) => {
    const [{ origin, service }] = members as [ServerPart, ...ServerPart[]];
    return post(origin, `/services/${service}`, service);
  });
}

/** What of a target its callers know: nothing new comes to what lies below. */
function drained(target: Target): Target {
  if (target.kind !== "region" && target.kind !== "zone") return target;
  const top = target.kind === "region" ? "l7-router" : "l4-forwarder";
  return { ...target, nodes: target.nodes.filter(({ service }) => service === top), servers: [] };
}

/** A region is cut off from the internet at its routers; inside of it all stays as it is. */
function cutOff({ kind, nodes }: Target): readonly TopologyNode[] {
  return kind === "region" ? nodes.filter(({ service }) => service === "l7-router") : nodes;
}

/** Control stays, so that an operator can look inside. */
function networksOf({ service, region }: TopologyNode, { kind }: Target): string[] {
  if (service === "geodns") return ["internet"];
  if (service !== "l7-router") return [`region-${region}`];
  return kind === "region" ? ["internet"] : ["internet", `region-${region}`];
}
