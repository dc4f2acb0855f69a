import { z } from "zod";
import { crossCheck } from "./cross-check.ts";

const nameSchema = z.string().regex(/^[A-Za-z][A-Za-z0-9._-]{0,31}$/, "a letter, then letters, digits, dots, dashes");
const fieldSchema = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, "a token of at most 64 characters (RFC 9110 §5.6.2)");
const countMax = 1_000_000; // as at the forwarder: more is no limit any more

/** How often something may be asked for. */
const rateSchema = z.strictObject({
  name: nameSchema.describe("in RateLimit-Policy, RateLimit and explain"),
  by: z
    .union([
      z.enum(["client", "all"]),
      z.strictObject({ header: fieldSchema.describe("its value, or the client's address without it") }),
      z.strictObject({ cookie: fieldSchema.describe("its value, or the client's address without it") }),
    ])
    .default("client")
    .describe("who shares one bucket: an address (IPv6: its /64), everybody, or who sends the same header or cookie"),
  requestsPerSecond: z.number().min(0.001).max(countMax).describe("over it 429"),
  burst: z.int().min(1).max(countMax).optional().describe("requests at once; default: those of one second, at least 1"),
});
export type RateConfig = z.output<typeof rateSchema>;

const ratesMax = 8; // every request looks at each

export const ratesSchema = crossCheck(z.array(rateSchema).max(ratesMax), (rates, context) => {
  for (const [i, { name }] of rates.entries())
    if (rates.findIndex((rate) => rate.name === name) < i)
      context.addIssue({ code: "custom", path: [i, "name"], message: `"${name}" is there twice` });
});
