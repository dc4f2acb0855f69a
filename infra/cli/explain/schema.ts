import { z } from "zod";

const placeSchema = z.object({
  country: z.string().nullable(),
  continent: z.string().nullable(),
  location: z.array(z.number()).nullable(),
  asn: z.number().nullable(),
});

const sourceSchema = z.object({
  kind: z.string(),
  network: z.string().nullable(),
  prefix: z.number(),
  embedded: z.object({ kind: z.string(), address: z.string() }).nullable(),
});

const shiftSchema = z.object({ from: z.string(), to: z.string(), percent: z.number() });

/** What a name server says of an address: `GET /geo`. */
export const placeToldSchema = z.object({
  address: z.string(),
  source: sourceSchema,
  place: placeSchema,
  rule: z.string(),
  shift: shiftSchema.nullable(),
  list: z.array(z.string()),
  scope: z.number(),
});
export type PlaceTold = z.output<typeof placeToldSchema>;

/** What a name server says of a question: `GET /explain`. */
export const dnsToldSchema = z.object({
  name: z.string(),
  type: z.string(),
  client: z.string(),
  ecs: z.string().nullable(),
  decidedBy: z.string().nullable(),
  source: sourceSchema.nullable(),
  place: placeSchema.nullable(),
  service: z.string().nullable(),
  rule: z.string(),
  reason: z.string(),
  list: z.array(z.string()),
  shift: shiftSchema.nullable(),
  regions: z.array(
    z.object({
      region: z.string(),
      chosen: z.boolean(),
      healthy: z.boolean(),
      reason: z.string(),
      override: z.string().nullable(),
      changing: z.boolean(),
      addresses: z.array(
        z.object({
          address: z.string(),
          weight: z.number(),
          state: z.string(),
          reason: z.string(),
          override: z.string().nullable(),
        }),
      ),
    }),
  ),
  rcode: z.string(),
  chain: z.array(z.string()),
  answer: z.array(z.string()),
  ttl: z.number().nullable(),
  ttlReason: z.string().nullable(),
  scope: z.number(),
  dnssec: z.object({ dnsZone: z.string(), keys: z.array(z.number()), rcode: z.string() }).nullable(),
});
export type DnsTold = z.output<typeof dnsToldSchema>;
