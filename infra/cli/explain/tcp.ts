import { z } from "zod";
import { noPaint, renderTable } from "../table.ts";
import type { Cell, Column, Paint } from "../table.ts";
import { candidateColumns, candidateRow, candidateSchema, stepLines } from "./shown.ts";

const serverSchema = z.object({
  name: z.string(),
  address: z.string(),
  active: z.number(),
  reason: z.string(),
  share: z.number(),
});

/** What a forwarder says of a connection: `GET /explain`. In userspace it has a choice, in the kernel shares. */
export const tcpToldSchema = z.object({
  client: z.string(),
  listener: z.string(),
  pool: z.string(),
  mode: z.string(),
  why: z.string(),
  open: z.boolean(),
  reason: z.string(),
  choice: z
    .object({ balance: z.string(), name: z.string().nullable(), candidates: z.array(candidateSchema) })
    .optional(),
  kernel: z
    .object({
      balance: z.string(),
      by: z.string(),
      slots: z.number(),
      slot: z.number().nullable(),
      address: z.string().nullable(),
      servers: z.array(serverSchema),
    })
    .optional(),
});
export type TcpTold = z.output<typeof tcpToldSchema>;

/** Which server a new connection would get, step by step: listener → mode → pool → candidates → pick. */
export function tcpText(told: TcpTold, forwarder: string, paint: Paint = noPaint): string {
  const { choice, kernel } = told;
  const balance = kernel?.balance ?? choice?.balance;
  const steps: [string, string][] = [
    ["asked", `${forwarder}: ${told.listener}, ${told.open ? "open" : "closed"}`],
    ["client", told.client],
    ["mode", `${told.mode}: ${told.why}`],
    ["pool", balance === undefined ? told.pool : `${told.pool}, ${balance}`],
    ...(kernel ? ([["slots", slotsText(kernel)]] as [string, string][]) : []),
    ["outcome", outcomeText(told)],
  ];
  const lines = stepLines(steps, paint);
  const table = kernel
    ? renderTable(
        serverColumns,
        kernel.servers.map((one) => serverRow(one, kernel.address)),
        paint,
      )
    : renderTable(candidateColumns, (choice?.candidates ?? []).map(candidateRow), paint);
  return kernel?.servers.length || choice?.candidates.length ? `${lines}\n${table}` : lines;
}

function slotsText({ by, slots, slot }: NonNullable<TcpTold["kernel"]>): string {
  const how = { inc: "taken in turn", random: "drawn by chance", hash: "by the hash of the client" }[by] ?? by;
  return slot === null ? `${slots}, ${how}` : `${slot} of ${slots}, ${how}`;
}

function outcomeText({ choice, kernel, open, reason }: TcpTold): string {
  if (!open) return `refused: the listener is closed (${reason})`;
  if (!kernel) return choice?.name ? `${choice.name} (${reason})` : `reset (${reason})`;
  if (kernel.slots === 0) return `not in the kernel: the forwarder itself takes it (${reason})`;
  const chosen = kernel.servers.find(({ address }) => address === kernel.address);
  return chosen ? `${chosen.name} (${reason})` : `one of those below, by its share (${reason})`;
}

const serverColumns: readonly Column[] = [
  { title: "" },
  { title: "server" },
  { title: "address" },
  { title: "reason" },
  { title: "active", align: "right" },
  { title: "share", align: "right" },
];

function serverRow(one: z.output<typeof serverSchema>, chosen: string | null): Cell[] {
  const { name, address, reason, active, share } = one;
  const percent = `${(share * 100).toFixed(1)} %`;
  return [address === chosen ? "→" : "", name, address, reason, String(active), percent];
}
