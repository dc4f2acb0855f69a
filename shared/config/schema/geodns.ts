import { z } from "zod";
import {
  addressSchema,
  balanceSchema,
  continents,
  countrySchema,
  durationSchema,
  geoSchema,
  healthSchema,
  nodeKeys,
  socketAddressSchema,
} from "./common.ts";

const ttlSchema = durationSchema.refine(
  (ms) => ms % 1_000 === 0 && ms <= 2_147_483_647_000,
  "whole seconds, below 2^31",
);
const ttlSeconds = ttlSchema.transform((ms) => ms / 1_000);
const one = <T extends z.ZodType>(schema: T) => z.array(schema).min(1);

/** The record sets of one name. `geo` and CNAME stand alone beside no address. */
const recordsSchema = z.strictObject({
  A: one(addressSchema).optional(),
  AAAA: one(addressSchema).optional(),
  NS: one(z.string()).optional(),
  TXT: one(z.string()).optional(),
  CNAME: z.string().optional(),
  geo: z.string().optional().describe("name of a service: A and AAAA are steered"),
  ttl: ttlSeconds.optional(),
});

const dnsZoneSchema = z.strictObject({
  soa: z.strictObject({
    primary: z.string(),
    contact: z.string(),
    serial: z.int().min(0).max(4_294_967_295).default(1),
    refresh: ttlSeconds.prefault("1h"),
    retry: ttlSeconds.prefault("10m"),
    expire: ttlSeconds.prefault("7d"),
    negativeTtl: ttlSeconds.prefault("30s"),
  }),
  ttl: ttlSeconds.prefault("5m"),
  records: z.record(z.string(), recordsSchema),
});
export type DnsZoneConfig = z.output<typeof dnsZoneSchema>;
export type RecordsConfig = z.output<typeof recordsSchema>;

const regionListSchema = z.array(z.string()).min(1);

/** Which regions serve a client, in order. */
export const steeringSchema = z
  .strictObject({
    countries: z.record(countrySchema, regionListSchema).default({}).describe("country → regions in order"),
    continents: z
      .partialRecord(z.enum(continents), regionListSchema)
      .default({})
      .describe("continent → regions in order"),
    default: z
      .union([z.literal("nearest"), regionListSchema])
      .default("nearest")
      .describe("for every other client: nearest by coordinates, or regions in order"),
  })
  .prefault({})
  .describe("the first that matches the client: country, continent, default");

/** Every region that steering names must exist. */
export function steeringMustNameRegions(
  context: z.core.$RefinementCtx,
  regions: Readonly<Record<string, unknown>>,
  steering: z.output<typeof steeringSchema>,
): void {
  for (const key of ["countries", "continents"] as const)
    for (const [place, list] of Object.entries(steering[key]))
      for (const [i, region] of list.entries()) regionMustExist(context, regions, region, ["steering", key, place, i]);
  if (steering.default === "nearest") return;
  for (const [i, region] of steering.default.entries())
    regionMustExist(context, regions, region, ["steering", "default", i]);
}

function regionMustExist(
  context: z.core.$RefinementCtx,
  regions: Readonly<Record<string, unknown>>,
  name: string,
  path: PropertyKey[],
): void {
  if (Object.hasOwn(regions, name)) return;
  const known = Object.keys(regions).join(", ") || "none";
  context.addIssue({ code: "custom", path, message: `there is no region "${name}" (known: ${known})` });
}

const serviceSchema = z.strictObject({
  ttl: ttlSeconds.prefault("10s"),
  answers: z.int().min(1).max(32).default(2).describe("addresses in one answer, rotated"),
  balance: balanceSchema
    .extract(["round-robin", "weighted", "random"])
    .default("round-robin")
    .describe("order of the addresses inside a region"),
  regions: z.record(
    z.string(),
    z.strictObject({ addresses: one(addressSchema), weights: z.array(z.int().min(1).max(1_000)).optional() }),
  ),
  health: healthSchema.optional(),
});
export type GeoServiceConfig = z.output<typeof serviceSchema>;

/** geodns.yaml */
export const geodnsSchema = z
  .strictObject({
    ...nodeKeys,
    listen: z.array(socketAddressSchema).min(1).describe("UDP and TCP each"),
    geo: geoSchema.prefault({}),
    regions: z.record(
      z.string(),
      z.strictObject({ location: z.tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)]) }),
    ),
    steering: steeringSchema,
    services: z.record(z.string(), serviceSchema).default({}),
    dnsZones: z.record(z.string(), dnsZoneSchema),
    tcp: z
      .strictObject({
        connections: z.int().min(1).max(100_000).default(1_000).describe("over it the longest idle is closed"),
        idle: durationSchema.prefault("10s"),
      })
      .transform(({ connections, idle }) => ({ connectionsMax: connections, idleMs: idle }))
      .prefault({}),
    identity: z
      .strictObject({ id: z.string().optional(), version: z.string().optional() })
      .default({})
      .describe("CH TXT id.server and version.bind; REFUSED without; id is the NSID too"),
  })
  .superRefine((config, context) => {
    steeringMustNameRegions(context, config.regions, config.steering);
    for (const [name, service] of Object.entries(config.services))
      for (const region of Object.keys(service.regions))
        regionMustExist(context, config.regions, region, ["services", name, "regions", region]);
    for (const [zone, { records }] of Object.entries(config.dnsZones))
      for (const [owner, { geo }] of Object.entries(records))
        if (geo !== undefined && !Object.hasOwn(config.services, geo))
          context.addIssue({
            code: "custom",
            path: ["dnsZones", zone, "records", owner, "geo"],
            message: `there is no service "${geo}" (known: ${Object.keys(config.services).join(", ") || "none"})`,
          });
  });
export type GeodnsConfig = z.output<typeof geodnsSchema>;
