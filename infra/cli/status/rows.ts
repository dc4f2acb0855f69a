import type { EndpointStatus, PoolStatus } from "#shared/endpoint/status.ts";
import { isRecord, refusalText } from "../admin-client.ts";
import { stateCell } from "../table.ts";
import type { Cell } from "../table.ts";
import { tierTitle } from "../stack/tiers.ts";
import { formatAge } from "../text.ts";
import type { NodeReport } from "./ask.ts";

/** One row of the table of `status`. */
export interface Row {
  readonly kind: "node" | "endpoint";
  readonly node: NodeReport;
  /** What it is about: a node or an endpoint, under the name that the whole stack knows it by. */
  readonly name: string;
  readonly state: string;
  /** Up, running or ready. */
  readonly well: boolean;
  readonly cells: readonly Cell[];
}

/** A row for every endpoint or server that a node tells of. The node itself is one where it has none, or is not ready. */
export function rowsOf(node: NodeReport, nowMs: number): Row[] {
  if (!node.status) return [silentRow(node)];
  const rows = [
    ...poolsOf(node.status).flatMap((pool) =>
      pool.endpoints.map((endpoint) => endpointRow(node, pool, endpoint, nowMs)),
    ),
    ...serversOf(node.status).map((server) => serverRow(node, server)),
  ];
  const state = textOf(node.status["state"]);
  if (rows.length > 0 && state === "ready") return rows;
  return [nodeRow(node, state, textOf(node.status["reason"])), ...rows];
}

function silentRow(node: NodeReport): Row {
  if (node.refusedWith !== null) return nodeRow(node, "refused", refusalText(node.refusedWith));
  return nodeRow(node, "unreachable", node.reason ?? "", node.error ?? "");
}

function nodeRow(node: NodeReport, state: string, reason: string, detail = ""): Row {
  const cells = [...startOf(node), "", "", "", "", stateCell(state), reason, "", "", "", detail];
  return { kind: "node", node, name: node.name, state, well: state === "ready", cells };
}

function endpointRow(node: NodeReport, pool: PoolStatus, endpoint: EndpointStatus, nowMs: number): Row {
  const { address, name, state } = endpoint;
  const cells = [
    ...startOf(node),
    pool.name,
    address,
    name,
    endpoint.zone ?? "",
    stateCell(state),
    pool.panic ? `${endpoint.reason}, PANIC` : endpoint.reason,
    formatAge(nowMs - Date.parse(endpoint.since)),
    String(endpoint.active),
    String(endpoint.weight),
    endpoint.lastCheck ? endpoint.lastCheck.detail : "",
  ];
  return { kind: "endpoint", node, name: fullName(node, name), state, well: state === "up", cells };
}

/** A server of an origin, shown as its zone's pools have it, so that a drill can be followed upwards. */
function serverRow(node: NodeReport, server: Readonly<Record<string, unknown>>): Row {
  const state = textOf(server["state"]);
  const name = textOf(server["name"]);
  const connections = server["connections"];
  const active = typeof connections === "number" ? String(connections) : "";
  const [service, address] = [textOf(server["service"]), textOf(server["address"])];
  const cells = [...startOf(node), service, address, name, "", stateCell(state), "", "", active];
  return { kind: "endpoint", node, name: fullName(node, name), state, well: state === "running", cells };
}

function startOf(node: NodeReport): string[] {
  return [tierTitle(node.service), node.name];
}

/** "api-1" of the node eu-west-a/l4-1 → "eu-west-a/api-1" */
function fullName(node: NodeReport, name: string): string {
  const slash = node.name.lastIndexOf("/");
  return name.includes("/") || slash < 0 ? name : `${node.name.slice(0, slash)}/${name}`;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The pools of a status; what does not look like one is left out. */
function poolsOf(status: Readonly<Record<string, unknown>>): PoolStatus[] {
  const pools = Array.isArray(status["pools"]) ? (status["pools"] as unknown[]) : [];
  return pools.filter((pool): pool is PoolStatus & Record<string, unknown> => {
    return isRecord(pool) && Array.isArray(pool["endpoints"]) && pool["endpoints"].every(isRecord);
  });
}

function serversOf(status: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  return Array.isArray(status["servers"]) ? status["servers"].filter(isRecord) : [];
}
