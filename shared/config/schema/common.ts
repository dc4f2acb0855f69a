import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import { durationSchema } from "./duration.ts";
import { hedgeSchema } from "./hedge.ts";
import { stickySchema } from "./sticky.ts";
import { parseAddress, parseCidr, parseSocketAddress } from "#shared/core/cidr.ts";
import { parseBytes } from "#shared/core/bytes.ts";
import { embeddingFormOf } from "#shared/core/embedded-ipv4.ts";

export { durationSchema };

/** A TTL, or another time of the DNS (RFC 2181 §8): "5m" → seconds. */
export const ttlSecondsSchema = durationSchema
  .refine((ms) => ms % 1_000 === 0 && ms <= 2_147_483_647_000, "whole seconds, below 2^31")
  .transform((ms) => ms / 1_000);

/** "16KiB", "10MiB" → bytes. */
export const bytesSchema = z
  .string()
  .refine((text) => parseBytes(text) !== undefined, "a size such as 512B, 16KiB or 10MiB")
  .transform((text) => parseBytes(text) ?? 0)
  .meta({ title: "size", examples: ["16KiB", "10MiB"] });

export const addressSchema = z
  .string()
  .refine((text) => parseAddress(text) !== undefined, "an IPv4 or IPv6 address")
  .meta({ title: "IP address" });

export const cidrSchema = z
  .string()
  .refine((text) => parseCidr(text) !== undefined, "a network such as 10.0.0.0/8 with no bits set behind the prefix")
  .meta({ title: "CIDR" });

/** A network whose addresses are looked up as they are. */
export const plainNetworkSchema = cidrSchema.refine((text) => {
  const cidr = parseCidr(text);
  return !cidr || !embeddingFormOf(cidr);
}, "a network outside 2002::/16, 2001::/32, 64:ff9b::/96 and ::/96, whose addresses are known by the IPv4 address in them");

export const socketAddressSchema = z
  .string()
  .refine((text) => parseSocketAddress(text) !== undefined, 'an "address:port" such as "127.0.0.1:8080"')
  .meta({ title: "address:port" });

export const countrySchema = z
  .string()
  .regex(/^[A-Z]{2}$/, "a country as two capital letters (ISO 3166)")
  .meta({ title: "country" });

export const continents = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"] as const;
export const continentSchema = z.enum(continents);

export const balanceNames = [
  "round-robin",
  "weighted",
  "least-connections",
  "ip-hash",
  "least-response-time",
  "random",
  "power-of-two",
] as const;
export const balanceSchema = z.enum(balanceNames);
export type BalanceName = z.output<typeof balanceSchema>;

const count = (max: number) => z.int().min(1).max(max);

const commandWordsMax = 64; // a check is a program and a few options, no script

/** An active check. Times in milliseconds once parsed. */
export const healthSchema = crossCheck(
  z.strictObject({
    type: z
      .enum(["http", "tcp", "udp", "exec"])
      .describe(
        "http passes on an expected status, tcp on a connect, udp on an answer, exec on a program that ends with 0",
      ),
    send: z.string().min(1).max(512).default("health").describe("datagram of a udp check; 0x… is bytes in hex"),
    expect: z.string().max(512).optional().describe("what its answer must contain; default: any answer passes"),
    port: z.int().min(1).max(65_535).optional().describe("where to check; default: the endpoint's own port"),
    path: z.string().startsWith("/").default("/health").describe("target of the GET of an http check"),
    host: z.string().optional().describe("Host header of an http check; default: the address"),
    expectStatus: z.array(z.int().min(100).max(599)).min(1).default([200]).describe("statuses that pass"),
    expectBody: z
      .string()
      .min(1)
      .max(1_024)
      .optional()
      .describe("text that must stand in the first 64 KiB of the body of an http check"),
    command: z
      .array(
        z
          .string()
          .max(4_096)
          .regex(/^[^\0]*$/, "text without NUL"),
      )
      .min(1)
      .max(commandWordsMax)
      .optional()
      .describe(
        "of an exec check: the path of a program and its arguments, in which {address} and {port} are replaced",
      ),
    drainingCounts: z
      .boolean()
      .default(true)
      .describe("503 with reason DRAINING counts at once; false where the endpoint passes on what others answer"),
    interval: durationSchema.prefault("10s").describe("from one check to the next, ±10 % jitter"),
    timeout: durationSchema.prefault("2s").describe("of one whole check"),
    fall: count(100).default(3).describe("failures in a row that take an endpoint out"),
    rise: count(100).default(3).describe("passes in a row that bring it back"),
  }),
  ({ type, command, expectBody }, context) => {
    const issue = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
    if (type === "exec" && !command) issue("command", "an exec check needs the program that it runs");
    if (type !== "exec" && command) issue("command", "only an exec check runs a program");
    if (command && !command[0]?.startsWith("/"))
      issue("command", "must begin with the whole path of a program (no shell looks for it)");
    if (type !== "http" && expectBody !== undefined) issue("expectBody", "only an http check reads a body");
  },
).transform(({ interval, timeout, ...rest }) => ({ ...rest, intervalMs: interval, timeoutMs: timeout }));
export type HealthConfig = z.output<typeof healthSchema>;

export const proxyVersionSchema = z.enum(["v1", "v2"]);
export type ProxyVersion = z.output<typeof proxyVersionSchema>;

export const endpointSchema = z.strictObject({
  address: socketAddressSchema.describe("of a server, forwarder or router; unique in the pool"),
  name: z.string().min(1).optional().describe("for people: in status, explain, logs; default: the address"),
  weight: count(1_000).default(1).describe("share of the work, where the algorithm knows weights"),
  zone: z.string().optional().describe("where it stands: a node prefers endpoints of its own zone"),
  backup: z.boolean().default(false).describe("used only while no other endpoint is eligible"),
});
export type EndpointConfig = z.output<typeof endpointSchema>;

export const outlierSchema = z
  .strictObject({
    consecutiveFailures: count(1_000).default(5).describe("failures of real traffic in a row that eject"),
    ejectFor: durationSchema.prefault("30s").describe("of the first ejection; each further one in a row lasts longer"),
    maxEjectedPercent: z.int().min(0).max(100).default(50).describe("of the endpoints of a pool, at a time"),
    errorPercent: z.int().min(1).max(100).optional().describe("share of failed requests in a window that ejects"),
    slowerThan: z
      .number()
      .min(1.5)
      .max(1_000)
      .optional()
      .describe("times the median of the others: a mean time to the first byte in a window that ejects"),
    window: durationSchema.prefault("10s").describe("over which shares and means are taken"),
    requestsMin: count(1_000_000).default(20).describe("of one endpoint in a window; fewer say nothing"),
  })
  .transform(({ ejectFor, window, ...rest }) => ({ ...rest, ejectForMs: ejectFor, windowMs: window }));

export const retriesSchema = z
  .strictObject({
    attempts: count(10).default(2).describe("counting the first"),
    budgetPercent: z
      .int()
      .min(0)
      .max(100)
      .default(20)
      .describe("retries as a share of requests; refused connects and resets before any answer cost nothing"),
    perTryTimeout: durationSchema.prefault("2s").describe("until the head of the answer, while another try is left"),
    hedge: hedgeSchema
      .optional()
      .describe("of a router: a slow GET, HEAD or OPTIONS is tried at a second endpoint as well; costs retry budget"),
  })
  .transform(({ perTryTimeout, ...rest }) => ({ ...rest, perTryTimeoutMs: perTryTimeout }));

export const poolSchema = crossCheck(
  z.strictObject({
    balance: balanceSchema.default("round-robin").describe("how the next endpoint is chosen; see balancing.md"),
    endpoints: z.array(endpointSchema).max(10_000).describe("whom the pool is made of"),
    health: healthSchema.optional().describe("without it every endpoint counts as up"),
    outlier: outlierSchema.optional().describe("passive ejection by failures of real traffic"),
    retries: retriesSchema.prefault({}).describe("of safe requests, and of connects"),
    essential: z.boolean().default(false).describe("the region is down without it"),
    connectionMaxAge: durationSchema.prefault("30s").describe("of a kept-alive connection, ±10 % jitter"),
    proxyProtocol: z
      .strictObject({ send: proxyVersionSchema.describe("version of the PROXY header that begins every connection") })
      .optional()
      .describe("for endpoints that want to know who connects"),
    sticky: stickySchema
      .optional()
      .describe(
        "of a router: requests of one user go to one server; its forwarders balance by ip-hash and read PROXY v2",
      ),
    slowStart: durationSchema.optional().describe("the weight of an endpoint that came back grows over this time"),
    panicThreshold: z
      .int()
      .min(0)
      .max(100)
      .default(50)
      .describe("percent of endpoints that must be eligible; below it all are used"),
    spillOverBelow: z
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe(
        "percent of the own zone's weight that must be eligible; below it other zones take what is missing, but with ip-hash",
      ),
  }),
  (pool, context) => {
    const { hedge, attempts } = pool.retries;
    const hedgeIssue = (message: string) => context.addIssue({ code: "custom", path: ["retries", "hedge"], message });
    if (hedge && attempts < 2) hedgeIssue("needs attempts: 2 or more, of which it is one");
    if (hedge && pool.sticky) hedgeIssue("a sticky pool keeps a user at one server, where his session is");
    const seen = new Set<string>();
    for (const [i, endpoint] of pool.endpoints.entries()) {
      if (seen.has(endpoint.address))
        context.addIssue({
          code: "custom",
          path: ["endpoints", i, "address"],
          message: `${endpoint.address} is listed twice`,
        });
      seen.add(endpoint.address);
    }
  },
).transform(({ connectionMaxAge, slowStart, ...rest }) => ({
  ...rest,
  connectionMaxAgeMs: connectionMaxAge,
  slowStartMs: slowStart ?? 0,
}));
export type PoolConfig = z.output<typeof poolSchema>;

/** Keys that every service has. */
export const nodeKeys = {
  node: z.string().optional().describe("name of this node in logs, status and trace; default: the service's"),
  region: z.string().optional().describe("where this node stands, for status and trace"),
  zone: z.string().optional().describe("where this node stands: endpoints of its own zone are preferred"),
  admin: socketAddressSchema.optional().describe("listener of the admin API; none without it"),
  localAddress: addressSchema.optional().describe("source address of every connection that this node opens"),
  workers: z.literal(1).default(1).describe("processes that share the sockets"),
  drain: z
    .strictObject({
      hold: durationSchema.prefault("0s").describe("listeners stay open this long after SIGTERM; use one DNS TTL"),
      timeout: durationSchema.prefault("30s").describe("then whatever is still under way is cut"),
    })
    .transform(({ hold, timeout }) => ({ holdMs: hold, timeoutMs: timeout }))
    .prefault({})
    .describe("after SIGTERM: take no new work, finish the old"),
} as const;

const workersMax = 256; // more than any machine of today has cores

/** The key `workers` of a service that can share its sockets. */
export const workersSchema = z
  .int()
  .min(0)
  .max(workersMax)
  .default(1)
  .describe("processes that share the sockets by SO_REUSEPORT; 0: one a core");

/** Latitude and longitude in degrees. */
export const locationSchema = z
  .tuple([z.number().min(-90).max(90), z.number().min(-180).max(180)])
  .meta({ title: "[latitude, longitude]" });

/** Where the place of a client comes from. */
export const geoSchema = z.strictObject({
  database: z.string().default("builtin").describe("builtin, or the path of a country or city MMDB"),
  asnDatabase: z
    .string()
    .optional()
    .describe("path of an MMDB that tells the autonomous system, if `database` does not"),
  networks: z
    .record(
      plainNetworkSchema,
      z.strictObject({
        country: countrySchema.optional().describe("of its clients"),
        continent: continentSchema.optional().describe("default: that of the country"),
        location: locationSchema.optional().describe("latitude and longitude; default: those of the country"),
        asn: z.int().min(1).optional().describe("number of the autonomous system"),
      }),
    )
    .default({})
    .describe("CIDR → place; wins over the database, the longest prefix first"),
});
export type GeoConfig = z.output<typeof geoSchema>;

/** Every pool that is named must exist. */
export function poolMustExist(
  context: z.core.$RefinementCtx,
  pools: Readonly<Record<string, unknown>>,
  name: string,
  path: PropertyKey[],
): void {
  if (Object.hasOwn(pools, name)) return;
  const known = Object.keys(pools).join(", ") || "none";
  context.addIssue({ code: "custom", path, message: `there is no pool "${name}" (known: ${known})` });
}
