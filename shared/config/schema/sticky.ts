import { z } from "zod";
import { durationSchema } from "./duration.ts";

const nameSchema = z
  .string()
  .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, "a token of at most 64 characters (RFC 9110 §5.6.2)");
const ttlMsMax = 400 * 86_400_000; // longer than that no browser keeps a cookie (RFC 6265bis §5.5)

/** By what requests of one user are known. */
export const stickySchema = z
  .strictObject({
    cookie: nameSchema.optional().describe("a signed cookie of the router's own, of this name"),
    header: nameSchema.optional().describe("the value of this header; without it a request goes anywhere"),
    clientAddress: z.literal(true).optional().describe("the address, IPv6 by /64"),
    ttl: durationSchema
      .refine((ms) => ms >= 1_000 && ms <= ttlMsMax, "1s to 400d")
      .optional()
      .describe("of the cookie; renewed from the half of it on; default: 1h"),
  })
  .refine(
    ({ cookie, header, clientAddress }) =>
      [cookie, header, clientAddress].filter((by) => by !== undefined).length === 1,
    "exactly one of cookie, header and clientAddress",
  )
  .refine(({ cookie, ttl }) => ttl === undefined || cookie !== undefined, "ttl only with cookie")
  .transform(({ ttl, ...rest }) => ({ ...rest, ttlMs: ttl ?? 3_600_000 }));
export type StickyConfig = z.output<typeof stickySchema>;
