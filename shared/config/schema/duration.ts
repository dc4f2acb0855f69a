import { z } from "zod";
import { parseDurationMs } from "#shared/core/duration.ts";

/** "10s", "500ms" → milliseconds. */
export const durationSchema = z
  .string()
  .refine((text) => parseDurationMs(text) !== undefined, "a duration such as 500ms, 10s, 5m, 1h or 7d")
  .transform((text) => parseDurationMs(text) ?? 0)
  .meta({ title: "duration", examples: ["500ms", "10s", "5m"] });
