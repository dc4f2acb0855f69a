import type { EndpointStatus, PoolStatus } from "#shared/endpoint/status.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { getAdminJson, isRecord } from "../admin-client.ts";
import { paintForStdout, renderTable, stateCell } from "../table.ts";
import type { Cell, Column } from "../table.ts";
import { formatAge } from "../text.ts";
import { tiersOf } from "../stack/tiers.ts";
import { chooseStack } from "../stack/choose.ts";
import type { StackChoice } from "../stack/choose.ts";
import { addStackOptions, example } from "./command.ts";
import type { AddCommand } from "./command.ts";

const answerTimeoutMs = 1_000;

export const addStatus: AddCommand = (program, exitWith) => {
  const command = program
    .command("status")
    .description("asks every node of the stack for the state of its pools and endpoints")
    .option("--json", "everything that the nodes say, as JSON")
    .action(async (options: StackChoice & { json?: boolean }) => {
      const nodes = await Promise.all((await chooseStack(options)).nodes.map(askNode));
      const shown = options.json ? `${JSON.stringify({ nodes }, null, 2)}\n` : statusTable(nodes, Date.now());
      process.stdout.write(shown);
      exitWith(nodes.some((node) => node.status) ? 0 : 1);
    });
  example(addStackOptions(command), "./watershed status");
};

/** What one node said, or why it said nothing. */
export interface NodeReport {
  readonly name: string;
  readonly service: string;
  readonly admin: string;
  readonly status: Readonly<Record<string, unknown>> | null;
  readonly reason: Reason | null;
  readonly error: string | null;
}

async function askNode(node: TopologyNode): Promise<NodeReport> {
  const about = { name: node.name, service: node.service, admin: node.admin };
  try {
    return { ...about, status: await getAdminJson(node.admin, "/status", answerTimeoutMs), reason: null, error: null };
  } catch (error) {
    const reason = error instanceof TrafficError ? error.reason : "UPSTREAM_INVALID";
    return { ...about, status: null, reason, error: messageOf(error) };
  }
}

const columns: readonly Column[] = [
  { title: "tier" },
  { title: "node" },
  { title: "pool" },
  { title: "endpoint" },
  { title: "name" },
  { title: "zone" },
  { title: "state" },
  { title: "reason" },
  { title: "since", align: "right" },
  { title: "active", align: "right" },
  { title: "weight", align: "right" },
  { title: "last check" },
];

/** Name servers first, as a request goes. A node without pools, or without an answer, is one row. */
export function statusTable(nodes: readonly NodeReport[], nowMs: number): string {
  const inOrder = tiersOf(nodes)
    .toReversed()
    .flatMap((tier) => tier.nodes);
  const rows = inOrder.flatMap((node) => rowsOf(node, nowMs));
  return renderTable(columns, rows, paintForStdout);
}

function rowsOf(node: NodeReport, nowMs: number): Cell[][] {
  const nodeRow = (state: string, reason: string): Cell[] => {
    return [node.service, node.name, "", "", "", "", stateCell(state), reason];
  };
  if (!node.status) return [nodeRow("unreachable", node.reason ?? "")];
  const start = [node.service, node.name];
  const rows = [
    ...poolsOf(node.status).flatMap((pool) =>
      pool.endpoints.map((endpoint) => [...start, pool.name, ...endpointCells(pool, endpoint, nowMs)]),
    ),
    ...serversOf(node.status).map((server) => [...start, ...serverCells(server)]),
  ];
  const state = textOf(node.status["state"]);
  if (rows.length > 0 && state === "ready") return rows;
  return [nodeRow(state, textOf(node.status["reason"])), ...rows];
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

/** The servers of an origin: each is shown as its zone's pools have it, so that a drill can be followed upwards. */
function serversOf(status: Readonly<Record<string, unknown>>): Record<string, unknown>[] {
  return Array.isArray(status["servers"]) ? status["servers"].filter(isRecord) : [];
}

function serverCells(server: Readonly<Record<string, unknown>>): Cell[] {
  const state = stateCell(textOf(server["state"]));
  const active = server["connections"];
  return [
    textOf(server["service"]),
    textOf(server["address"]),
    textOf(server["name"]),
    "",
    state,
    "",
    "",
    typeof active === "number" ? String(active) : "",
  ];
}

function endpointCells(pool: PoolStatus, endpoint: EndpointStatus, nowMs: number): Cell[] {
  return [
    endpoint.address,
    endpoint.name,
    endpoint.zone ?? "",
    stateCell(endpoint.state),
    pool.panic ? `${endpoint.reason}, PANIC` : endpoint.reason,
    formatAge(nowMs - Date.parse(endpoint.since)),
    String(endpoint.active),
    String(endpoint.weight),
    endpoint.lastCheck ? endpoint.lastCheck.detail : "",
  ];
}
