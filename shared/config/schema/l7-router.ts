import { z } from "zod";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenerAccessKeys } from "./access.ts";
import { accessLogSchema } from "./access-log.ts";
import { bodyMatchSchema, heldBodySchema } from "./body-match.ts";
import { certificatesSchema, minVersionSchema } from "./certificates.ts";
import { crossCheck } from "./cross-check.ts";
import {
  bytesSchema,
  cidrSchema,
  durationSchema,
  geoSchema,
  nodeKeys,
  poolMustExist,
  poolSchema,
  socketAddressSchema,
  workersSchema,
} from "./common.ts";
import { ratesSchema } from "./rates.ts";
import { tracingSchema } from "./tracing.ts";
import { isRegularExpression, nestsRepetition, openRepetitions } from "./regular-expression.ts";
import {
  actionKeys,
  clientMatchKeys,
  hasOneTarget,
  poolsNeeded,
  targetKeys,
  tokenSchema as token,
} from "./route-actions.ts";

const clientCount = z.int().min(1).max(1_000_000); // as at the forwarder: more is no limit any more

const pathSchema = z
  .string()
  .startsWith("/")
  .refine((path) => !path.slice(0, -1).includes("*"), "an exact path, or a prefix that ends in /*")
  .refine((path) => !path.endsWith("*") || path.endsWith("/*"), "a prefix that ends in /*");

/** Every key that is given must match. */
export const matchSchema = z.strictObject({
  host: z.string().optional().describe('exact, or "*.example.org" for every name below'),
  path: pathSchema.optional().describe('exact, or "/api/*" for /api, /api/ and all below'),
  pathRegex: z
    .string()
    .refine(isRegularExpression, "a regular expression of JavaScript")
    .refine(
      (text) => !nestsRepetition(text),
      "no repetition and no alternative inside a repetition: a client could make it run for minutes",
    )
    .refine((text) => openRepetitions(text) <= 3, "at most three of * and +: each multiplies the time by the length")
    .optional()
    .describe("matched against the whole normalised path; its groups are {1} to {9} of `rewrite` and `redirect`"),
  methods: z.array(token).min(1).optional().describe("one of these"),
  headers: z.record(token, z.string()).optional().describe("header → its whole value"),
  cookies: z.record(token, z.string()).optional().describe("cookie → its value"),
  query: z.record(z.string(), z.string()).optional().describe("parameter → its value"),
  body: bodyMatchSchema.optional().describe("a field of the body has a value; asked last"),
  ...clientMatchKeys,
});
export type MatchConfig = z.output<typeof matchSchema>;

const routeSchema = z
  .strictObject({
    match: matchSchema.describe("which requests; {} is every one"),
    ...targetKeys,
    ...actionKeys,
  })
  .refine(hasOneTarget, "exactly one of pool, split, redirect and respond");
export type RouteConfig = z.output<typeof routeSchema>;

export const listenerTlsSchema = z.strictObject({
  certificates: certificatesSchema
    .optional()
    .describe("none: a demo certificate is made at the start, which no client trusts"),
  demoNames: z
    .array(z.string().min(1))
    .min(1)
    .max(100)
    .optional()
    .describe("that a demo certificate is for; default: the hosts of the routes, and localhost"),
  minVersion: minVersionSchema,
  handshakes: clientCount.default(1_024).describe("under way at a time; one more is reset"),
  handshakeTimeout: durationSchema.prefault("10s").describe("then the connection is reset"),
  http2: z.boolean().default(true).describe("offers HTTP/2 beside HTTP/1.1 (ALPN); changes only by a restart"),
  clientCertificates: z
    .strictObject({
      ca: z.string().min(1).describe("file in PEM: who may have signed them; read again when it changes"),
      required: z.boolean().default(true).describe("false: clients without one are served too"),
    })
    .optional()
    .describe("asked of clients; subject and certificate go to the servers (X-Client-Cert-Subject, Client-Cert)"),
  hsts: z
    .strictObject({
      maxAge: durationSchema.prefault("365d").describe("how long browsers use nothing but HTTPS"),
      includeSubDomains: z.boolean().default(false).describe("of every host as well"),
      preload: z.boolean().default(false).describe("consents to the lists that browsers are built with"),
    })
    .optional()
    .describe("Strict-Transport-Security in every answer (RFC 6797)"),
});
export type ListenerTlsConfig = z.output<typeof listenerTlsSchema>;

const listenerSchema = crossCheck(
  z.strictObject({
    address: socketAddressSchema.describe("where it accepts connections"),
    tls: listenerTlsSchema.optional().describe("HTTPS; without it plain HTTP"),
    h2c: z
      .boolean()
      .default(true)
      .describe("takes HTTP/2 by prior knowledge, without tls; of a listener that is open it stays as it is"),
    redirectToHttps: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe("every request is sent to https:// at this port, with a 308"),
    ...listenerAccessKeys,
  }),
  ({ tls, redirectToHttps }, context) => {
    if (tls && redirectToHttps !== undefined)
      context.addIssue({ code: "custom", path: ["redirectToHttps"], message: "a listener with tls is HTTPS already" });
  },
);
export type ListenerConfig = z.output<typeof listenerSchema>;

/** l7-router.yaml */
export const l7RouterSchema = crossCheck(
  z.strictObject({
    ...nodeKeys,
    workers: workersSchema,
    listeners: z.array(listenerSchema).min(1).describe("HTTP/1.1 and HTTP/2"),
    engine: z
      .enum(["wire", "http-proxy"])
      .default("wire")
      .describe("wire: our own HTTP/1.1 engine; http-proxy: the reference, by node:http and that package"),
    stickySecretFile: z
      .string()
      .min(1)
      .optional()
      .describe(
        "secret that signs sticky cookies, the same at every router of a region; a second line is still believed, for a change",
      ),
    trustedProxies: z.array(cidrSchema).default([]).describe("whose X-Forwarded-* are believed; by default nobody's"),
    geo: geoSchema.prefault({}).describe("where clients are; read only if a route asks for countries"),
    routes: z.array(routeSchema).describe("the first that matches wins; none: 404"),
    pools: z.record(z.string(), poolSchema).describe("name → endpoints that serve one purpose"),
    limits: z
      .strictObject({
        headerBytes: bytesSchema.prefault("16KiB").describe("of a request's head; over it 431"),
        targetBytes: bytesSchema.prefault("8KiB").describe("of a request's target; over it 414"),
        bodyBytes: bytesSchema.prefault("10MiB").describe("of a request's body; over it 413"),
        bodyMatchBytes: heldBodySchema(bytesSchema)
          .prefault("64KiB")
          .describe("of a body that is read for a route with match.body; a larger one matches none"),
        requestsPerSecondPerClient: clientCount
          .optional()
          .describe("of one address, IPv6 of one /64; over it 429; off unless given"),
        rates: ratesSchema.optional().describe("further rates, which hold for every request"),
        connectionsPerClient: clientCount
          .optional()
          .describe("of one address, IPv6 of one /64, to each worker; one more is answered 429; off unless given"),
        connections: clientCount
          .optional()
          .describe(
            "of all clients together, to each worker; one more is answered 503; default: what the file descriptors allow",
          ),
        burst: clientCount.optional().describe("requests of one client at once; default: those of one second"),
      })
      .prefault({})
      .describe("what clients may send: sizes, and how often"),
    timeouts: z
      .strictObject({
        head: durationSchema.prefault("10s").describe("from connect, or the first byte, to the end of a head"),
        body: durationSchema.prefault("30s").describe("between two bytes of a body"),
        idle: durationSchema.prefault("60s").describe("of a kept-alive connection between requests"),
        connect: durationSchema.prefault("1s").describe("of one connect to an endpoint"),
        request: durationSchema.prefault("30s").describe("to the head of the answer, over all tries"),
      })
      .transform((t) => ({
        headMs: t.head,
        bodyMs: t.body,
        idleMs: t.idle,
        connectMs: t.connect,
        requestMs: t.request,
      }))
      .prefault({})
      .describe("how long each step may take"),
    accessLog: accessLogSchema.describe("one line a request: true, or where and how"),
    tracing: tracingSchema.optional().describe("spans of requests and tries, by OpenTelemetry; none without it"),
    serverTiming: z
      .boolean()
      .default(false)
      .describe("Server-Timing in every answer: how long the router took, and how long the server"),
  }),
  (config, context) => {
    if (config.workers !== 1)
      for (const [i, { address }] of config.listeners.entries())
        if (parseSocketAddress(address)?.port === 0)
          context.addIssue({
            code: "custom",
            path: ["listeners", i, "address"],
            message: "port 0 cannot be shared by several workers",
          });
    if (config.limits.burst !== undefined && config.limits.requestsPerSecondPerClient === undefined)
      context.addIssue({ code: "custom", path: ["limits", "burst"], message: "needs requestsPerSecondPerClient" });
    for (const [i, route] of config.routes.entries())
      for (const { pool, path } of poolsNeeded(route))
        poolMustExist(context, config.pools, pool, ["routes", i, ...path]);
    const names = new Map<string, number>();
    for (const [i, { name }] of config.routes.entries()) {
      if (name === undefined) continue;
      const first = names.get(name);
      if (first === undefined) names.set(name, i);
      else
        context.addIssue({ code: "custom", path: ["routes", i, "name"], message: `routes[${first}] is called so too` });
    }
  },
);
export type L7RouterConfig = z.output<typeof l7RouterSchema>;
