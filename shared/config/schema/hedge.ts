import { z } from "zod";
import { parseDurationMs } from "#shared/core/duration.ts";

const percentileForm = /^p(50|75|90|95|99)$/;

function afterOf(text: string): HedgeConfig["after"] | undefined {
  const percentile = percentileForm.exec(text)?.[1];
  if (percentile !== undefined) return { percentile: Number(percentile) };
  const afterMs = parseDurationMs(text);
  return afterMs === undefined || afterMs < 1 ? undefined : { ms: afterMs };
}

/** A second try beside a first that is slow. */
export const hedgeSchema = z.strictObject({
  after: z
    .string()
    .refine((text) => afterOf(text) !== undefined, "a duration such as 50ms, or p50, p75, p90, p95 or p99")
    .transform((text): HedgeConfig["after"] => afterOf(text) ?? { ms: 1 })
    .meta({ title: "duration or percentile", examples: ["50ms", "p95"] })
    .describe("how long the first may be silent: a time, or a percentile of the pool's own times to the first byte"),
});

export interface HedgeConfig {
  readonly after: { readonly ms: number } | { readonly percentile: number };
}
