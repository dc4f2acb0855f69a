import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import { absoluteName, checkNames } from "./dns-names.ts";
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
} from "./common.ts";

const ttlSchema = durationSchema.refine(
  (ms) => ms % 1_000 === 0 && ms <= 2_147_483_647_000,
  "whole seconds, below 2^31",
);
const ttlSeconds = ttlSchema.transform((ms) => ms / 1_000);
const one = <T extends z.ZodType>(schema: T) => z.array(schema).min(1);

/** Relative to the dnsZone without a closing dot, as in zone files (RFC 1035 §5.1); "@" is the dnsZone itself. */
const nameSchema = z
  .string()
  .max(254)
  .regex(/^(?:@|\.|[!-\-/-[\]-~]{1,63}(?:\.[!-\-/-[\]-~]{1,63})*\.?)$/, "a domain name")
  .meta({ title: "domain name" });
const ipv4Schema = addressSchema.refine((text) => parseAddress(text)?.length === 4, "an IPv4 address");
const ipv6Schema = addressSchema.refine((text) => parseAddress(text)?.length === 16, "an IPv6 address");
const txtCharactersMax = 16_384; // of one record: with its name and an OPT it must fit a message over TCP

/** The record sets of one name. `geo` and CNAME stand alone beside no address. */
const recordsSchema = z.strictObject({
  A: one(ipv4Schema).optional().describe("IPv4 addresses"),
  AAAA: one(ipv6Schema).optional().describe("IPv6 addresses"),
  NS: one(nameSchema).optional().describe("name servers, of the dnsZone at @"),
  TXT: one(z.string().max(txtCharactersMax)).optional().describe("one record each; long ones are split"),
  CNAME: nameSchema.optional().describe("this name is another name for that one"),
  geo: z.string().optional().describe("name of a service: A and AAAA are steered"),
  ttl: ttlSeconds.optional().describe("of these records; default: that of the dnsZone"),
});

const signatureSecondsMin = 3_600;
const signatureSecondsMax = 90 * 86_400; // a signature that is stolen with a false answer is good for as long

/** The switch of a dnsZone. */
const dnssecZoneSchema = z
  .strictObject({
    keys: z.string().min(1).describe("folder of its key files, as `watershed dnssec keygen` makes them"),
    validity: ttlSeconds
      .refine((seconds) => seconds >= signatureSecondsMin && seconds <= signatureSecondsMax, "1h to 90d")
      .prefault("7d")
      .describe("of a signature; it is made anew at half of it"),
  })
  .transform(({ keys, validity }) => ({ keys, validitySeconds: validity }))
  .describe("signed online with these keys; default: not signed");

const dnsZoneSchema = z.strictObject({
  soa: z
    .strictObject({
      primary: nameSchema.describe("the first name server"),
      contact: nameSchema.describe("mail address of who runs it, its @ as a dot"),
      serial: z.int().min(0).max(4_294_967_295).default(1).describe("higher after every change, for secondaries"),
      refresh: ttlSeconds.prefault("1h").describe("after which a secondary asks again"),
      retry: ttlSeconds.prefault("10m").describe("after which a secondary that asked in vain asks again"),
      expire: ttlSeconds.prefault("7d").describe("after which a secondary that asked in vain answers no more"),
      negativeTtl: ttlSeconds.prefault("30s").describe("how long resolvers keep that there is no such name or type"),
    })
    .describe("start of authority (RFC 1035 §3.3.13)"),
  ttl: ttlSeconds.prefault("5m").describe("of records without their own"),
  dnssec: dnssecZoneSchema.optional(),
  records: z
    .record(nameSchema, recordsSchema)
    .describe("name below the dnsZone → its records; @ is the dnsZone itself"),
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
  ttl: ttlSeconds.prefault("10s").describe("of the steered addresses: how long clients stay with a failed one"),
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
    dnssec: z
      .strictObject({
        signaturesPerSecond: z
          .int()
          .min(10)
          .max(1_000_000)
          .default(2_000)
          .describe("of names that are not there or match a wildcard, of all dnsZones; TCP comes first"),
      })
      .prefault({})
      .describe("limits of signing on demand"),
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
    checkNames(context, config.dnsZones);
    for (const [zone, { records }] of Object.entries(config.dnsZones))
      for (const [owner, record] of Object.entries(records)) {
        const path = ["dnsZones", zone, "records", owner];
        checkRecords(context, record, absoluteName(owner, zone) === absoluteName("@", zone), path);
        if (record.geo !== undefined && !Object.hasOwn(config.services, record.geo))
          context.addIssue({
            code: "custom",
            path: [...path, "geo"],
            message: `there is no service "${record.geo}" (known: ${Object.keys(config.services).join(", ") || "none"})`,
          });
      }
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

/** What the DNS does not allow to stand together at one name. */
function checkRecords(
  context: z.core.$RefinementCtx,
  { A, AAAA, NS, TXT, CNAME, geo }: RecordsConfig,
  isTop: boolean,
  path: PropertyKey[],
): void {
  const issue = (key: string, message: string) => context.addIssue({ code: "custom", path: [...path, key], message });
  if (CNAME !== undefined && isTop) issue("CNAME", "cannot stand at the top of a dnsZone (RFC 1034 §3.6.2)");
  if (CNAME !== undefined && (A ?? AAAA ?? NS ?? TXT ?? geo) !== undefined)
    issue("CNAME", "must stand alone (RFC 1034 §3.6.2)");
  if (geo !== undefined && (A ?? AAAA) !== undefined)
    issue("geo", "is answered with A and AAAA of a service: no others may stand beside it");
  if (NS && !isTop) issue("NS", "can stand at @ only: no part of a dnsZone is delegated");
}
