import { z } from "zod";
import { noPaint, renderTable } from "../table.ts";
import type { Paint } from "../table.ts";
import { candidateColumns, candidateRow, candidateSchema, stepLines } from "./shown.ts";

/** What a router says of a request: `GET /explain`. */
export const httpToldSchema = z.object({
  method: z.string(),
  url: z.string(),
  client: z.string(),
  reason: z.string(),
  status: z.number().nullable(),
  message: z.string().optional(),
  path: z.string().optional(),
  host: z.string().optional(),
  country: z.string().nullish(),
  routes: z.array(
    z.object({
      index: z.number(),
      name: z.string().nullable(),
      pools: z.array(z.string()),
      matched: z.boolean(),
      why: z.string(),
    }),
  ),
  policies: z.array(z.object({ policy: z.string(), verdict: z.string() })).default([]),
  pool: z.string().nullish(),
  choice: z
    .object({
      balance: z.string(),
      reason: z.string(),
      name: z.string().nullable(),
      candidates: z.array(candidateSchema),
    })
    .nullish(),
});
export type HttpTold = z.output<typeof httpToldSchema>;

/** How a router would treat a request, step by step: client → route → policies → pool → candidates → pick. */
export function httpText(told: HttpTold, router: string, paint: Paint = noPaint): string {
  const { choice } = told;
  const country = told.country ? ` (${told.country})` : "";
  const steps: [string, string][] = [
    ["asked", `${router}: ${told.method} ${told.url}`],
    ["client", `${told.client}${country}`],
    ...(told.path === undefined
      ? []
      : ([["matched", `${told.path} at ${told.host || "no host"}`]] as [string, string][])),
    ...told.routes.map((route): [string, string] => ["route", routeText(route)]),
    ...told.policies.map(({ policy, verdict }): [string, string] => ["policy", `${policy}: ${verdict}`]),
    ...(choice ? ([["pool", `${told.pool ?? ""}, ${choice.balance}`]] as [string, string][]) : []),
    ["outcome", outcomeText(told)],
  ];
  const lines = stepLines(steps, paint);
  if (!choice || choice.candidates.length === 0) return lines;
  return `${lines}\n${renderTable(candidateColumns, choice.candidates.map(candidateRow), paint)}`;
}

function routeText({ index, name, pools, matched, why }: HttpTold["routes"][number]): string {
  const who = name === null ? `${index}` : `${index} ${name}`;
  if (!matched) return `${who}: no, ${why}`;
  return `${who}: yes${pools.length > 0 ? `, to ${pools.join(" or ")}` : ""}`;
}

function outcomeText({ choice, reason, status, message }: HttpTold): string {
  if (choice?.name) return `${choice.name} (${reason})`;
  return `answered ${status ?? ""} by the router (${reason})${message === undefined ? "" : `: ${message}`}`;
}
