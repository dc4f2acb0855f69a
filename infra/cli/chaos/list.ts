import type { TopologyNode } from "#shared/topology/topology.ts";
import { AdminRefusal, getAdminJson, isRecord, refusalText } from "../admin-client.ts";
import { paintForStdout, renderTable, stateCell } from "../table.ts";
import type { Cell } from "../table.ts";
import type { NodeState } from "./power.ts";
import type { ServerPart, Target } from "./target.ts";
import { verbsOf } from "./verbs.ts";
import type { Verb } from "./verbs.ts";

const answerLimitMs = 1_000;

/** A target, and how it is. */
export interface ListedTarget {
  readonly kind: string;
  readonly name: string;
  /** Of one process or server its state; of several, how many of them are well: "3/4 running". */
  readonly state: string;
  /** What can be done to it. */
  readonly verbs: readonly Verb[];
}

/** What nodes say of themselves and of their servers and endpoints. */
export interface Observed {
  /** By node name; "cut" for one that is cut off, "unreachable" for one that does not answer, "401: …" for one that does not
   * want to. */
  readonly nodes: ReadonlyMap<string, string>;
  /** By "zone/server". */
  readonly servers: ReadonlyMap<string, string>;
  /** Endpoints ("host:port") that somebody above has drained or disabled. */
  readonly drained: ReadonlySet<string>;
}

/** Asks every node at the same time. */
export async function observeNodes(nodes: readonly TopologyNode[]): Promise<Observed> {
  const states = new Map<string, string>();
  const servers = new Map<string, string>();
  const drained = new Set<string>();
  await Promise.all(
    nodes.map(async (node) => {
      const status: Record<string, unknown> | undefined = await getAdminJson(
        node.admin,
        "/status",
        answerLimitMs,
      ).catch((error: unknown) => (error instanceof AdminRefusal ? { state: refusalText(error.status) } : undefined));
      const isCut = Array.isArray(status?.["cuts"]) && status["cuts"].includes(node.name);
      states.set(node.name, isCut ? "cut" : status ? String(status["state"]) : "unreachable");
      for (const server of recordsIn(status?.["servers"]))
        servers.set(`${node.zone}/${String(server["name"])}`, String(server["state"]));
      for (const endpoint of recordsIn(status?.["pools"]).flatMap((pool) => recordsIn(pool["endpoints"])))
        if (endpoint["state"] === "draining" || endpoint["state"] === "disabled")
          drained.add(String(endpoint["address"]));
    }),
  );
  return { nodes: states, servers, drained };
}

function recordsIn(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

export function listTargets(
  targets: readonly Target[],
  processes: ReadonlyMap<string, NodeState>,
  observed: Observed,
): ListedTarget[] {
  const nodeState = (node: TopologyNode): string => {
    const process = processes.get(node.name) ?? "gone";
    if (process !== "running") return process;
    const isDrained = [...observed.drained].some((endpoint) => endpoint.startsWith(`${node.address}:`));
    const said = observed.nodes.get(node.name) ?? "unreachable";
    if (isDrained && node.service !== "origin") return "drained";
    return said === "ready" ? "running" : said;
  };
  const serverState = ({ origin, name, address }: ServerPart): string => {
    const process = nodeState(origin);
    if (process !== "running") return process;
    const state = observed.servers.get(`${origin.zone}/${name}`) ?? "unreachable";
    return state === "running" && observed.drained.has(address) ? "drained" : state;
  };
  return targets.map(({ kind, name, nodes, servers }) => {
    const states = nodes.length > 0 ? nodes.map(nodeState) : servers.map(serverState);
    return { kind, name, state: together(states), verbs: verbsOf[kind] };
  });
}

function together(states: readonly string[]): string {
  const [first = ""] = states;
  if (states.length === 1) return first;
  const running = states.filter((state) => state === "running").length;
  return running === states.length ? "running" : `${running}/${states.length} running`;
}

export function listText(listed: readonly ListedTarget[]): string {
  const rows = listed.map(({ kind, name, state }) => [kind, name, stateText(state)]);
  return renderTable([{ title: "kind" }, { title: "name" }, { title: "state" }], rows, paintForStdout);
}

function stateText(state: string): Cell {
  return state === "gone" ? { text: state, colour: "red" } : stateCell(state);
}
