import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import { cookiesSchema, dnsOverHttpsSchema, dnsOverTlsSchema, rateLimitSchema, tcpSchema } from "./dns-listeners.ts";
import { checkDnsZones, dnsZoneSchema, nameSchema } from "./dns-zone.ts";
import { formatAddress, parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import {
  addressSchema,
  balanceSchema,
  geoSchema,
  healthSchema,
  nodeKeys,
  socketAddressSchema,
  ttlSecondsSchema,
  workersSchema,
} from "./common.ts";
import { regionKeys, regionMustExist, steeringMustNameRegions, steeringSchema } from "./steering.ts";

const one = <T extends z.ZodType>(schema: T) => z.array(schema).min(1);

const serviceSchema = z.strictObject({
  ttl: ttlSecondsSchema.prefault("10s").describe("of the steered addresses: how long clients stay with a failed one"),
  ttlMin: ttlSecondsSchema
    .optional()
    .describe(
      "while the state of an address is changing; default: half of `ttl`, but 5s at least, and never over `ttl`",
    ),
  answers: z.int().min(1).max(32).default(2).describe("addresses in one answer, rotated"),
  answerRegions: z
    .int()
    .min(1)
    .max(8)
    .default(1)
    .describe("an answer holds addresses of so many regions, the first healthy ones of the client's list"),
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
    workers: workersSchema,
    listen: z.array(socketAddressSchema).min(1).describe("UDP and TCP each"),
    geo: geoSchema.prefault({}).describe("where clients are"),
    regions: z
      .record(z.string(), z.strictObject(regionKeys))
      .describe("every region that steering may name; the first serves clients without a place"),
    steering: steeringSchema,
    overrides: z
      .string()
      .min(1)
      .optional()
      .describe(
        "file that keeps what operators force up, down or drain; default: that of WATERSHED_OVERRIDES, and without both a restart forgets it",
      ),
    services: z.record(z.string(), serviceSchema).default({}).describe("what `geo` records name"),
    dnsZones: z.record(nameSchema, dnsZoneSchema).describe("every dnsZone that this server answers for"),
    tcp: tcpSchema,
    tls: dnsOverTlsSchema.optional(),
    https: dnsOverHttpsSchema.optional(),
    cookies: cookiesSchema,
    rateLimit: rateLimitSchema.optional(),
    dnssec: z
      .strictObject({
        signaturesPerSecond: z
          .int()
          .min(10)
          .max(1_000_000)
          .default(2_000)
          .describe(
            "of names that are not there or match a wildcard, of all dnsZones, by each worker; TCP comes first",
          ),
      })
      .prefault({})
      .describe("limits of signing on demand"),
    queryLog: z
      .strictObject({
        sample: z
          .number()
          .min(0)
          .max(1)
          .default(0)
          .describe("share of the queries, by chance; at most 100 lines a second"),
      })
      .prefault({})
      .describe("one log line for a sampled query, with its place, region and reason"),
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
    if (config.workers !== 1)
      for (const [path, addresses] of [
        [["listen"], config.listen],
        [["tls", "listen"], config.tls?.listen ?? []],
        [["https", "listen"], config.https?.listen ?? []],
      ] as const)
        for (const [i, address] of addresses.entries())
          if (parseSocketAddress(address)?.port === 0)
            context.addIssue({
              code: "custom",
              path: [...path, i],
              message: "port 0 cannot be shared by several workers",
            });
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
  if (service.health && service.health.type !== "exec" && service.health.port === undefined)
    issue(["health"], "needs the port that is checked");
  if (service.ttlMin !== undefined && service.ttlMin > service.ttl) issue(["ttlMin"], "is longer than ttl");
  if (service.answerRegions > service.answers)
    issue(["answerRegions"], `is more than the ${service.answers} addresses of an answer`);
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
