import { z } from "zod";
import { printable } from "../table.ts";
import type { Cell, Column, Paint } from "../table.ts";

/** A candidate of a choice, as `GET /explain` of a router and of a forwarder tells it. */
export const candidateSchema = z.object({
  name: z.string(),
  address: z.string(),
  zone: z.string().nullable(),
  active: z.number(),
  weight: z.number(),
  reason: z.string(),
  picked: z.boolean(),
});

export const candidateColumns: readonly Column[] = [
  { title: "" },
  { title: "candidate" },
  { title: "address" },
  { title: "zone" },
  { title: "reason" },
  { title: "active", align: "right" },
  { title: "weight", align: "right" },
];

export function candidateRow(one: z.output<typeof candidateSchema>): Cell[] {
  const { picked, name, address, zone, reason, active, weight } = one;
  return [picked ? "→" : "", name, address, zone ?? "", reason, String(active), String(weight)];
}

/** What was decided, one step a line. */
export function stepLines(steps: readonly (readonly [what: string, text: string])[], paint: Paint): string {
  const width = Math.max(...steps.map(([what]) => what.length));
  return steps.map(([what, text]) => `${paint("dim", what.padEnd(width))}  ${printable(text)}\n`).join("");
}
