import { editDistance } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { commandName } from "../command-name.ts";
import { kinds } from "./verbs.ts";
import type { Kind } from "./verbs.ts";

/** A server, which is a part of the process of its zone's origin. */
export interface ServerPart {
  readonly origin: TopologyNode;
  /** "api-2" */
  readonly name: string;
  /** "api" */
  readonly service: string;
  /** "address:port" */
  readonly address: string;
}

/** What a drill hits. */
export interface Target {
  readonly kind: Kind;
  /** "eu-west-a/web-2", "eu-west-a" ... */
  readonly name: string;
  /** Processes that it consists of. */
  readonly nodes: readonly TopologyNode[];
  readonly servers: readonly ServerPart[];
}

const kindOfService = {
  geodns: "nameserver",
  "l7-router": "router",
  "l4-forwarder": "forwarder",
  origin: "origin",
} as const satisfies Record<TopologyNode["service"], Kind>;

/** Everything of a stack that a drill can hit, the largest first. */
export function targetsOf(nodes: readonly TopologyNode[]): Target[] {
  const origins = nodes.filter(({ service }) => service === "origin");
  const places = [
    ...groups(nodes, "region", ({ region }) => region),
    ...groups(nodes, "zone", ({ service, zone }) => (service === "l7-router" ? null : zone)),
  ];
  const processes = [...Map.groupBy(nodes, ({ service }) => service).values()]
    .toReversed()
    .flat()
    .filter(({ service }) => service !== "origin")
    .map((node): Target => ({ kind: kindOfService[node.service], name: node.name, nodes: [node], servers: [] }));
  const ofZone = origins.flatMap((origin): Target[] => {
    const servers = serversOf(origin);
    const zone = origin.zone ?? "";
    const services = [...Map.groupBy(servers, ({ service }) => service)];
    return [
      { kind: "origin", name: zone, nodes: [origin], servers },
      ...services.map(([service, members]): Target => ({
        kind: "service",
        name: `${zone}/${service}`,
        nodes: [],
        servers: members,
      })),
      ...servers.map((server): Target => ({
        kind: "server",
        name: `${zone}/${server.name}`,
        nodes: [],
        servers: [server],
      })),
    ];
  });
  return [...places, ...processes, ...ofZone];
}

function groups(
  nodes: readonly TopologyNode[],
  kind: "region" | "zone",
  nameOf: (node: TopologyNode) => string | null,
): Target[] {
  return [...Map.groupBy(nodes, nameOf)].flatMap(([name, members]) =>
    name === null ? [] : [{ kind, name, nodes: members, servers: members.flatMap(serversOf) }],
  );
}

function serversOf(origin: TopologyNode): ServerPart[] {
  if (origin.service !== "origin") return [];
  return origin.listens.map(({ what, address }) => ({
    origin,
    name: what,
    service: what.replace(/-\d+$/, ""),
    address,
  }));
}

/** "router eu-west/l7-1": how a node is called as a target. */
export function targetNameOf({ name, service }: { readonly name: string; readonly service: string }): string {
  const kind = Object.hasOwn(kindOfService, service) ? kindOfService[service as TopologyNode["service"]] : service;
  return kind === "origin" ? `origin ${name.replace(/\/origin$/, "")}` : `${kind} ${name}`;
}

const shownMax = 3;

/** @param words "server eu-west-a/web-2" in two words, in one, or as "server:eu-west-a/web-2"
 * @throws {UsageError} with the nearest names, if there is no such target */
export function findTarget(words: readonly string[], targets: readonly Target[]): Target {
  const text = words
    .join(" ")
    .trim()
    .replace(/^([a-z]+):/, "$1 ")
    .replaceAll(/\s+/g, " ");
  const found = targets.find((target) => fullName(target) === text);
  if (found) return found;
  throw new UsageError(
    `there is no target "${text}": ${hintFor(text, targets)} (${commandName()} chaos list shows all)`,
  );
}

export const fullName = ({ kind, name }: Target): string => `${kind} ${name}`;

function hintFor(text: string, targets: readonly Target[]): string {
  // A bare name may belong to several kinds: both ways of writing are compared.
  const near = targets
    .map((target) => ({
      name: fullName(target),
      distance: Math.min(editDistance(text, fullName(target)), editDistance(text, target.name)),
    }))
    .filter(({ distance }) => distance <= Math.floor(text.length / 3))
    .toSorted((a, b) => a.distance - b.distance);
  const best = near[0]?.distance ?? 0;
  const nearest = near.filter(({ distance }) => distance === best).slice(0, shownMax);
  if (nearest.length > 0) return `did you mean ${nearest.map(({ name }) => name).join(", or ")}?`;
  return `a target is one of ${kinds.join(", ")} and its name, such as ${targets[0] ? fullName(targets[0]) : "region eu-west"}`;
}
