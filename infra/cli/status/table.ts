import { paintForStdout, renderTable } from "../table.ts";
import type { Cell, Column } from "../table.ts";
import { tiersOf } from "../stack/tiers.ts";
import type { NodeReport } from "./ask.ts";
import { modeColumns, modeRows } from "./modes.ts";
import { rowsOf } from "./rows.ts";
import type { Row } from "./rows.ts";

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

/** Name servers first, as a request goes; below, one line a tier sums it up, and who moves the bytes of the forwarders.
 * @param problems only the rows of what is not up */
export function statusText(nodes: readonly NodeReport[], nowMs: number, { problems }: { problems: boolean }): string {
  const tiers = tiersOf(nodes)
    .toReversed()
    .map(({ title, nodes: members }) => ({ title, members, rows: members.flatMap((node) => rowsOf(node, nowMs)) }));
  const rows = tiers.flatMap((tier) => tier.rows).filter(({ well }) => !problems || !well);
  const cells = rows.map((row) => row.cells);
  const table = cells.length > 0 ? `${renderTable(columns, cells, paintForStdout)}\n` : "";
  const summary = tiers.map(({ title, members, rows: all }) => [title, ...summaryOf(members, all)]);
  const carried = problems ? [] : modeRows(nodes);
  const modes = carried.length > 0 ? `\n${renderTable(modeColumns, carried, paintForStdout)}` : "";
  return table + renderTable(summaryColumns, summary, paintForStdout) + modes;
}

/** For a page that is drawn over and over: the sums on top, then what is not up, then the rest, as far as there is room. */
export function watchText(nodes: readonly NodeReport[], nowMs: number, { problems }: { problems: boolean }): string {
  const tiers = tiersOf(nodes)
    .toReversed()
    .map(({ title, nodes: members }) => ({ title, members, rows: members.flatMap((node) => rowsOf(node, nowMs)) }));
  const rows = tiers.flatMap((tier) => tier.rows);
  const shown = [...rows.filter(({ well }) => !well), ...(problems ? [] : rows.filter(({ well }) => well))];
  const summary = tiers.map(({ title, members, rows: all }) => [title, ...summaryOf(members, all)]);
  const cells = shown.map((row) => row.cells);
  const table = cells.length > 0 ? `\n${renderTable(columns, cells, paintForStdout)}` : "";
  return renderTable(summaryColumns, summary, paintForStdout) + table;
}

const summaryColumns: readonly Column[] = [
  { title: "tier" },
  { title: "nodes ready", align: "right" },
  { title: "endpoints up", align: "right" },
  { title: "not up" },
];

const namesShownMax = 5;

/** "4/4", "159/160", "eu-west-a/l4-1 down". An endpoint counts once for each node that has it, and is named once. */
function summaryOf(nodes: readonly NodeReport[], rows: readonly Row[]): Cell[] {
  const ready = nodes.filter(({ status }) => status?.["state"] === "ready").length;
  const endpoints = rows.filter(({ kind }) => kind === "endpoint");
  const up = endpoints.filter(({ well }) => well).length;
  const names = [...new Set(rows.filter(({ well }) => !well).map(({ name, state }) => `${name} ${state}`))];
  const more = names.length > namesShownMax ? [`and ${names.length - namesShownMax} more`] : [];
  return [
    countCell(ready, nodes.length),
    countCell(up, endpoints.length),
    [...names.slice(0, namesShownMax), ...more].join(", "),
  ];
}

function countCell(well: number, all: number): Cell {
  const text = `${well}/${all}`;
  return { text, colour: well === all ? "green" : "red" };
}
