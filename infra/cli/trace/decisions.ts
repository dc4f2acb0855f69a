import { z } from "zod";
import type { Reason } from "#shared/core/error.ts";
import type { Choice } from "#shared/endpoint/status.ts";

/** The parts of recorded decisions that the text shows; `--json` shows them whole. What is absent is not shown. */
const choiceSchema = z.custom<Choice>((value) => {
  return typeof value === "object" && value !== null && "candidates" in value && Array.isArray(value.candidates);
}, "a choice");

const reasonSchema = z.custom<Reason>((value) => typeof value === "string");

/** What a name server recorded of a query. */
export const dnsDecisionSchema = z.object({
  place: z.object({ country: z.string().nullable(), continent: z.string().nullable() }).nullable(),
  /** What of the query told the place, and what told where that is. */
  decidedBy: z.string().nullable(),
  source: z.object({ kind: z.string(), network: z.string().nullable() }).nullable(),
  rule: z.string(),
  reason: reasonSchema,
  /** Null where no single region was chosen. */
  region: z.string().nullable(),
  regions: z.array(
    z.object({
      region: z.string(),
      healthy: z.boolean(),
      reason: z.string(),
      addresses: z.array(z.object({ address: z.string(), state: z.string(), reason: z.string() })),
    }),
  ),
  scope: z.number(),
});
export type DnsDecision = z.output<typeof dnsDecisionSchema>;

const attemptSchema = z.object({
  /** Absent where nobody could be chosen. */
  choice: choiceSchema.nullish(),
  outcome: reasonSchema,
  tookMs: z.number(),
});

/** What a router recorded under the id of a request. */
export const httpDecisionSchema = z.object({
  requestId: z.string().optional(),
  route: z.object({ index: z.number(), match: z.record(z.string(), z.unknown()) }).nullish(),
  pool: z.string().nullish(),
  attempts: z.array(
    attemptSchema.extend({
      /** The router's side of the connection, "ip:port": the id under which the forwarder knows it. */
      connection: z.string().nullish(),
      reused: z.boolean().optional(),
      connectMs: z.number().nullish(),
      firstByteMs: z.number().nullish(),
    }),
  ),
  reason: reasonSchema.optional(),
  status: z.number().nullish(),
  tookMs: z.number().optional(),
});
export type HttpDecision = z.output<typeof httpDecisionSchema>;

/** What a forwarder recorded of a connection. */
export const connectionDecisionSchema = z.object({
  connection: z.string(),
  listener: z.string().optional(),
  client: z.string().nullish(),
  pool: z.string(),
  /** "userspace" or "kernel". */
  mode: z.string().optional(),
  /** How long a connect took is not known where the kernel has made it. */
  attempts: z.array(attemptSchema.extend({ tookMs: z.number().nullable() })),
  openedAt: z.string().optional(),
  ageMs: z.number().optional(),
  reason: reasonSchema.nullish(),
});
export type ConnectionDecision = z.output<typeof connectionDecisionSchema>;
