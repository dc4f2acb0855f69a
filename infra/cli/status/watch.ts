import type { NodeReport } from "./ask.ts";
import { rowsOf } from "./rows.ts";

/** What changed from one round to the next. */
export interface Change {
  readonly node: string;
  readonly name: string;
  /** Null: it was not there. */
  readonly from: string | null;
  /** Null: it is there no more. */
  readonly to: string | null;
}

/** The state of every row, by node and name. */
export function statesOf(nodes: readonly NodeReport[]): Map<string, { node: string; name: string; state: string }> {
  const rows = nodes.flatMap((node) => rowsOf(node, 0));
  return new Map(
    rows.map(({ kind, node, name, state, cells }) => {
      const pool = kind === "endpoint" && typeof cells[2] === "string" ? `${cells[2]} ` : "";
      return [`${node.name} ${pool}${name}`, { node: node.name, name: `${pool}${name}`, state }];
    }),
  );
}

const well = new Set(["up", "running"]);

/** What has another state than before, in the order of the rows. Where a node falls silent, or comes back, it
 * alone is told, and of its rows only those that are not well. */
export function changesOf(before: ReturnType<typeof statesOf>, after: ReturnType<typeof statesOf>): Change[] {
  const changes: Change[] = [];
  const told = new Set(Array.from(after.values(), ({ node }) => node).filter((node) => after.has(`${node} ${node}`)));
  for (const [key, { node, name, state }] of after) {
    const from = before.get(key)?.state ?? null;
    const cameBack = from === null && before.has(`${node} ${node}`);
    if (from !== state && !(cameBack && well.has(state))) changes.push({ node, name, from, to: state });
  }
  for (const [key, { node, name, state }] of before)
    if (!after.has(key) && !told.has(node))
      changes.push({ node, name, from: state, to: name === node ? "ready" : null });
  return changes;
}

/** "eu-west-a/l4-1  api eu-west-a/api-1  up → down" */
export function changeText({ node, name, from, to }: Change): string {
  return `${node}  ${name === node ? "" : `${name}  `}${from ?? "not there"} → ${to ?? "gone"}`;
}
