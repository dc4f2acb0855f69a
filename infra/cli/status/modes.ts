import { isRecord } from "../admin-client.ts";
import type { Cell, Column } from "../table.ts";
import type { NodeReport } from "./ask.ts";

export const modeColumns: readonly Column[] = [
  { title: "carried by" },
  { title: "listeners", align: "right" },
  { title: "pools" },
  { title: "why" },
];

/** Who moves the bytes of the forwarders' listeners, and why: a row for each answer that there is. */
export function modeRows(nodes: readonly NodeReport[]): Cell[][] {
  const groups = new Map<string, { mode: string; why: string; pools: Set<string>; listeners: number }>();
  for (const { service, status } of nodes) {
    if (service !== "l4-forwarder") continue;
    for (const { pool, mode, why } of listenersOf(status)) {
      const group = groups.get(`${mode} ${why}`) ?? { mode, why, pools: new Set(), listeners: 0 };
      groups.set(`${mode} ${why}`, group);
      group.pools.add(pool);
      group.listeners++;
    }
  }
  return Array.from(groups.values(), ({ mode, why, pools, listeners }) => [
    mode,
    String(listeners),
    [...pools].join(", "),
    why,
  ]);
}

function listenersOf(status: NodeReport["status"]): { pool: string; mode: string; why: string }[] {
  const listeners = status?.["listeners"];
  if (!Array.isArray(listeners)) return [];
  return listeners.flatMap((one: unknown) =>
    isRecord(one) && typeof one["mode"] === "string"
      ? [{ pool: String(one["pool"]), mode: one["mode"], why: String(one["why"]) }]
      : [],
  );
}
