import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import { checkDnsZones, dnsZoneSchema, nameSchema } from "./dns-zone.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import {
  addressSchema,
  balanceSchema,
  continents,
  countrySchema,
  durationSchema,
  geoSchema,
  healthSchema,
  locationSchema,
  nodeKeys,
  socketAddressSchema,
  ttlSecondsSchema,
} from "./common.ts";

const one = <T extends z.ZodType>(schema: T) => z.array(schema).min(1);

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
  ttl: ttlSecondsSchema.prefault("10s").describe("of the steered addresses: how long clients stay with a failed one"),
  answers: z.int().min(1).max(32).default(2).describe("addresses in one answer, rotated"),
  balance: balanceSchema
    .extract(["round-robin", "weighted", "random"])
    .default("round-robin")
    .describe("order of the addresses inside a region"),
  regions: z
    .record(
      z.string(),
      z.strictObject({
        addresses: one(addressSchema).describe("of its routers"),
        weights: z.array(z.int().min(1).max(1_000)).optional().describe("one for each address; for weighted"),
      }),
    )
    .describe("region → where the service is found there"),
  health: healthSchema.optional().describe("of every address; without it all count as up"),
});
export type GeoServiceConfig = z.output<typeof serviceSchema>;

/** geodns.yaml */
export const geodnsSchema = crossCheck(
  z.strictObject({
    ...nodeKeys,
    listen: z.array(socketAddressSchema).min(1).describe("UDP and TCP each"),
    geo: geoSchema.prefault({}).describe("where clients are"),
    regions: z
      .record(z.string(), z.strictObject({ location: locationSchema.describe("which region is nearest") }))
      .describe("every region that steering may name; the first serves clients without a place"),
    steering: steeringSchema,
    services: z.record(z.string(), serviceSchema).default({}).describe("what `geo` records name"),
    dnsZones: z.record(nameSchema, dnsZoneSchema).describe("every dnsZone that this server answers for"),
    tcp: z
      .strictObject({
        connections: z.int().min(1).max(100_000).default(1_000).describe("over it the longest idle is closed"),
        idle: durationSchema.prefault("10s").describe("of a connection between queries"),
      })
      .transform(({ connections, idle }) => ({ connectionsMax: connections, idleMs: idle }))
      .prefault({})
      .describe("connections of DNS over TCP"),
    identity: z
      .strictObject({
        id: z
          .string()
          .regex(/^[ -~]{1,128}$/, "1..128 printable characters")
          .optional()
          .describe("answer to id.server, and NSID"),
        version: z.string().max(255).optional().describe("answer to version.bind"),
      })
      .default({})
      .describe("CH TXT id.server and version.bind; REFUSED without; id is the NSID too"),
  }),
  (config, context) => {
    steeringMustNameRegions(context, config.regions, config.steering);
    for (const [name, service] of Object.entries(config.services)) {
      for (const region of Object.keys(service.regions))
        regionMustExist(context, config.regions, region, ["services", name, "regions", region]);
      checkService(context, service, ["services", name]);
    }
    checkDnsZones(context, config.dnsZones, config.services);
  },
);
export type GeodnsConfig = z.output<typeof geodnsSchema>;

function checkService(context: z.core.$RefinementCtx, service: GeoServiceConfig, path: PropertyKey[]): void {
  const issue = (at: PropertyKey[], message: string) =>
    context.addIssue({ code: "custom", path: [...path, ...at], message });
  if (service.health && service.health.port === undefined) issue(["health"], "needs the port that is checked");
  const seen = new Set<string>();
  for (const [region, { addresses, weights }] of Object.entries(service.regions)) {
    if (weights && weights.length !== addresses.length)
      issue(["regions", region, "weights"], `has ${weights.length} weights for ${addresses.length} addresses`);
    for (const [i, text] of addresses.entries()) {
      const address = formatAddress(parseAddress(text) ?? new Uint8Array(4));
      if (seen.has(address)) issue(["regions", region, "addresses", i], `${address} is listed twice`);
      seen.add(address);
    }
  }
}
