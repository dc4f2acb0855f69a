import { z } from "zod";
import { parseCidr } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { certificatesSchema, minVersionSchema } from "./certificates.ts";
import { crossCheck } from "./cross-check.ts";
import { cidrSchema, durationSchema, socketAddressSchema } from "./common.ts";

/** How a name server is reached beside UDP, and how it protects itself. */

export const tcpSchema = z
  .strictObject({
    connections: z.int().min(1).max(100_000).default(1_000).describe("over it the longest idle is closed"),
    connectionsPerClient: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe("of one address, a /56 for IPv6; over it its own longest idle is closed"),
    idle: durationSchema.prefault("10s").describe("of a connection between queries"),
    queries: z
      .int()
      .min(1)
      .optional()
      .describe("after which a connection is ended, so that clients spread again; none: no limit"),
  })
  .transform(({ connections, connectionsPerClient, idle, queries }) => ({
    connectionsMax: connections,
    perClientMax: connectionsPerClient,
    idleMs: idle,
    queriesMax: queries,
  }))
  .prefault({})
  .describe("connections of DNS over TCP, TLS and HTTPS together");

const tlsKeys = {
  listen: z.array(socketAddressSchema).min(1).describe("TCP"),
  certificates: certificatesSchema,
  minVersion: minVersionSchema,
} as const;

export const dnsOverTlsSchema = z.strictObject(tlsKeys).describe("DNS over TLS (RFC 7858); none without it");

export const dnsOverHttpsSchema = z
  .strictObject({
    ...tlsKeys,
    path: z
      .string()
      .regex(/^\/[!"$-;=@-~]*$/, "a path such as /dns-query, without ? and #")
      .default("/dns-query")
      .describe("of the only resource there is"),
  })
  .describe("DNS over HTTPS (RFC 8484), HTTP/2 and HTTP/1.1; none without it");

const cookieSecretSchema = z
  .string()
  .regex(/^[0-9a-fA-F]{32}$/, "32 hexadecimal digits (openssl rand -hex 16)")
  .meta({ title: "secret" });
const hourMs = 3_600_000;

export const cookiesSchema = crossCheck(
  z.strictObject({
    enabled: z.boolean().default(true).describe("false: COOKIE options are ignored"),
    secrets: z
      .array(cookieSecretSchema)
      .min(1)
      .max(4)
      .optional()
      .describe("shared by name servers behind one address: the first makes cookies, all check them"),
    secretFile: z.string().min(1).optional().describe("the same, a secret a line; read again when it changes"),
    rotate: durationSchema
      .refine((ms) => ms >= hourMs, "an hour or more: that is how long a cookie lives")
      .prefault("24h")
      .describe("how often a random secret is replaced, where none is given"),
    require: z
      .boolean()
      .default(false)
      .describe("over UDP, a client that sends cookies gets BADCOOKIE until it sends back ours"),
  }),
  ({ secrets, secretFile }, context) => {
    if (secrets && secretFile !== undefined)
      context.addIssue({ code: "custom", path: ["secretFile"], message: "give either secrets or secretFile" });
  },
)
  .prefault({})
  .describe("DNS cookies (RFC 7873, RFC 9018): clients that prove where they are");
export type CookiesConfig = z.output<typeof cookiesSchema>;

const rateSchema = z.int().min(1).max(1_000_000);

export const rateLimitSchema = z
  .strictObject({
    perSecond: z
      .strictObject({
        answers: rateSchema.default(100).describe("with records"),
        nodata: rateSchema.optional().describe("without a record of the type; default: as answers"),
        nxdomain: rateSchema.optional().describe("of names that do not exist; default: as answers"),
        referrals: rateSchema.optional().describe("to name servers below; default: as answers"),
        errors: rateSchema.optional().describe("such as REFUSED; default: as answers"),
        all: rateSchema.optional().describe("of all kinds together"),
      })
      .prefault({})
      .describe("responses to one network"),
    window: durationSchema.prefault("15s").describe("for so long what was over the limit counts on, at most"),
    slip: z
      .int()
      .min(0)
      .max(10)
      .default(2)
      .describe("every n-th response over the limit is cut, so that the client asks over TCP; the others are dropped"),
    ipv4Prefix: z.int().min(1).max(32).default(24).describe("size of a network of IPv4"),
    ipv6Prefix: z.int().min(1).max(128).default(56).describe("size of a network of IPv6"),
    exempt: z.array(cidrSchema).max(1_000).default([]).describe("networks without a limit"),
    networks: z
      .int()
      .min(1_000)
      .max(10_000_000)
      .default(50_000)
      .describe("counted at a time; a fixed table of about 40 bytes for each"),
    logOnly: z.boolean().default(false).describe("count and log, but limit nothing"),
  })
  .transform(({ perSecond, window, exempt, networks, logOnly, ...rest }) => ({
    logOnly,
    limits: {
      ...rest,
      perSecond: {
        answer: perSecond.answers,
        nodata: perSecond.nodata ?? perSecond.answers,
        nxdomain: perSecond.nxdomain ?? perSecond.answers,
        referral: perSecond.referrals ?? perSecond.answers,
        error: perSecond.errors ?? perSecond.answers,
        all: perSecond.all,
      },
      windowSeconds: window / 1_000,
      exempt: exempt.map(parseCidr).filter((network): network is Cidr => network !== undefined),
      bucketsMax: networks * 2, // a network seldom gets more than two kinds of answers
    },
  }))
  .describe(
    "of responses over UDP to one network; off without it. TCP and clients with a valid cookie are not limited",
  );
export type RateLimitConfig = z.output<typeof rateLimitSchema>;
