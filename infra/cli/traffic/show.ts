import { z } from "zod";
import { countsText } from "#shared/traffic/tally.ts";
import type { Counts } from "#shared/traffic/tally.ts";
import { renderTable } from "../table.ts";
import type { Cell, Column, Paint } from "../table.ts";

const countsSchema = z.object({
  requests: z.number(),
  failed: z.number(),
  retries: z.number(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  slowestMs: z.number(),
  answers: z.record(z.string(), z.number()),
  statuses: z.record(z.string(), z.number()),
  lastFailure: z.string().nullable(),
});

/** What a running traffic says of itself, as another process reads it. */
export const servedSchema = z.object({
  pid: z.number(),
  startedAt: z.string(),
  seconds: z.number(),
  seed: z.number(),
  ratePerSecond: z.number(),
  inFlight: z.number(),
  held: z.number(),
  sources: z.array(
    z.object({ name: z.string(), ratePerSecond: z.number(), second: countsSchema, total: countsSchema }),
  ),
  second: countsSchema,
  total: countsSchema,
});
type Served = z.output<typeof servedSchema>;

const columns: readonly Column[] = [
  { title: "from" },
  { title: "wanted/s", align: "right" },
  { title: "last second", align: "right" },
  { title: "requests", align: "right" },
  { title: "failed", align: "right" },
  { title: "retries", align: "right" },
  { title: "p50", align: "right" },
  { title: "p99", align: "right" },
  { title: "answered by" },
];

/** A row a country, one for all, and the last failure. */
export function servedText(served: Served, paint: Paint): string {
  const { pid, seconds, seed, held, sources, total, second, ratePerSecond } = served;
  const all = { name: "all", ratePerSecond, second, total };
  const rows = [...sources, ...(sources.length > 1 ? [all] : [])].map((one): Cell[] => [
    one.name,
    rateText(one.ratePerSecond),
    String(one.second.requests),
    String(one.total.requests),
    one.total.failed > 0 ? { text: String(one.total.failed), colour: "red" } : "0",
    String(one.total.retries),
    `${one.total.p50Ms} ms`,
    `${one.total.p99Ms} ms`,
    answersText(one.total),
  ]);
  const lines = [
    `process ${pid}, for ${seconds.toFixed(0)} s, seed ${seed}`,
    ...(held > 0 ? [`${held} requests were not sent: too many were under way`] : []),
    ...(total.lastFailure === null ? [] : [`last failure: ${total.lastFailure}`]),
  ];
  return `${renderTable(columns, rows, paint)}\n${lines.join("\n")}\n`;
}

/** "12.5", "20": two digits are enough. */
export function rateText(ratePerSecond: number): string {
  return String(Math.round(ratePerSecond * 100) / 100);
}

function answersText({ answers }: Pick<Counts, "answers">): string {
  const all = Object.entries(answers).toSorted(([a], [b]) => a.localeCompare(b));
  return all.map(([name, count]) => `${name} ${count}`).join(", ");
}

/** One second in one line, behind its time. */
export function secondText(at: string, who: string, counts: Counts): string {
  return `${at.slice(11, 19)}  ${countsText(who, counts)}`;
}
