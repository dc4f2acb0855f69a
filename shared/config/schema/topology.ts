import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import {
  balanceSchema,
  countrySchema,
  durationSchema,
  geoSchema,
  proxyVersionSchema,
  retriesSchema,
} from "./common.ts";
import { regionKeys, steeringMustNameRegions, steeringSchema } from "./steering.ts";
import { matchSchema } from "./l7-router.ts";
import { tracingSchema } from "./tracing.ts";
import { tokenSchema } from "./route-actions.ts";
import { originServices } from "./origin.ts";

export type OriginService = (typeof originServices)[number];

/** What the servers of a service speak. Routers reach the http ones; a forwarder carries http and tcp. */
export const protocolOf = {
  web: "http",
  api: "http",
  static: "http",
  admin: "http",
  telemetry: "udp",
  db: "tcp",
  jobs: "http",
} as const satisfies Record<OriginService, "http" | "tcp" | "udp">;

/** Hosts of a zone, last octet: forwarders from 1, its origin 9, servers from 10. */
export const originHost = 9;
export const serverHostMin = 10;
export const serverHostMax = 254;
export const adminPort = 7900;

const letterSchema = z.string().regex(/^[a-z]$/, "a zone as one letter a..z");
const serviceName = z.enum(originServices);
const serverCount = z
  .int()
  .min(1)
  .max(serverHostMax - serverHostMin + 1);

const regionSchema = z.strictObject({
  number: z.int().min(2).max(254).describe("second octet of its addresses, 127.NUMBER.0.0/16; unique"),
  ...regionKeys,
  routers: z.int().min(1).max(32).default(2).describe("L7 routers, 127.NUMBER.0.1 up; router i stands in zone i"),
  httpProxyRouters: z
    .array(z.int().min(1).max(32))
    .default([])
    .describe("routers that run the engine http-proxy instead of wire, counted from 1: the reference stays in use"),
  zones: z
    .union([z.int().min(1).max(26), z.array(letterSchema).min(1).max(26)])
    .default(2)
    .transform((zones) =>
      typeof zones === "number" ? Array.from({ length: zones }, (_, i) => String.fromCharCode(97 + i)) : zones,
    )
    .describe("how many (2: a and b), or their letters; a is number 1, b number 2 ..., the third octet"),
  forwarders: z
    .int()
    .min(1)
    .max(originHost - 1)
    .default(2)
    .describe("L4 forwarders of each zone, 127.NUMBER.ZONE.1 up"),
});

const serviceSchema = z.strictObject({
  port: z
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .describe("of its listener on every forwarder; without one no forwarder carries it"),
  firstHost: z
    .int()
    .min(serverHostMin)
    .max(serverHostMax)
    .describe("last octet of its first server's address in every zone; the next server has the next"),
  servers: serverCount.describe("servers of each zone, up to the first host of the next service"),
  balance: balanceSchema.default("round-robin").describe("how forwarders spread connections over the servers"),
  essential: z.boolean().default(false).describe("a region is down without it (HTTP services)"),
  proxyProtocol: proxyVersionSchema
    .optional()
    .describe("version of the PROXY header from router to forwarder to server (HTTP services)"),
  stickyCookie: tokenSchema
    .optional()
    .describe(
      "users stay with their server by a signed cookie of this name; needs proxyProtocol: v2 and balance: ip-hash",
    ),
});

/** topology.yaml: the whole stack, from which the config of every node is derived. */
export const topologySchema = crossCheck(
  z.strictObject({
    dnsZone: z
      .string()
      .regex(/^[a-z0-9-]+(\.[a-z0-9-]+)*$/, "a domain name in small letters, without the last dot")
      .describe("the DNS zone that the name servers answer for; www in it is the site"),
    nameServers: z
      .int()
      .min(1)
      .max(6)
      .default(2)
      .describe("how many; 127.53.0.1 up, as 127.53.0.7 may be a test client"),
    nameServerNumber: z.int().min(2).max(254).default(53).describe("second octet of their addresses"),
    dns: z
      .strictObject({
        ttl: durationSchema.prefault("10s").describe("of the site's addresses"),
        answers: z.int().min(1).max(32).default(2).describe("addresses in one answer, rotated"),
      })
      .transform(({ ttl, answers }) => ({ ttlMs: ttl, answers }))
      .prefault({})
      .describe("what the name servers say of the site"),
    regions: z
      .record(z.string().regex(/^[a-z][a-z0-9-]*$/, "a name of small letters, digits and -"), regionSchema)
      .refine((regions) => Object.keys(regions).length > 0, "a mapping of at least one region")
      .describe("a further region is one more entry"),
    steering: steeringSchema,
    services: z.partialRecord(serviceName, serviceSchema).describe("what the servers of every zone serve"),
    routes: z
      .array(
        z.strictObject({
          match: matchSchema.describe("which requests; {} is every one"),
          service: serviceName.describe("an HTTP service; its pool is called so"),
        }),
      )
      .min(1)
      .describe("of every router; the first that matches wins"),
    health: z
      .strictObject({
        interval: durationSchema.prefault("1s").describe("from one check to the next"),
        timeout: durationSchema.prefault("500ms").describe("of one check"),
        fall: z.int().min(1).max(100).default(3).describe("failures in a row that take an endpoint out"),
        rise: z.int().min(1).max(100).default(2).describe("passes in a row that bring it back"),
      })
      .transform(({ interval, timeout, ...rest }) => ({ ...rest, intervalMs: interval, timeoutMs: timeout }))
      .prefault({})
      .describe("every check of every tier"),
    router: z
      .strictObject({
        balance: balanceSchema.default("least-connections").describe("how routers spread requests over forwarders"),
        connectionMaxAge: durationSchema.prefault("10s").describe("of a kept-alive connection to a forwarder"),
        retries: retriesSchema
          .prefault({ attempts: 3, perTryTimeout: "1s" })
          .describe("over the forwarders of a region"),
        tracing: tracingSchema.optional().describe("spans of requests and tries, by OpenTelemetry; none without it"),
      })
      .transform(({ connectionMaxAge, ...rest }) => ({ ...rest, connectionMaxAgeMs: connectionMaxAge }))
      .prefault({})
      .describe("every router, and its pools"),
    drain: z
      .strictObject({
        hold: durationSchema.prefault("10s").describe("routers go on listening this long after SIGTERM: one DNS TTL"),
        timeout: durationSchema.prefault("25s").describe("of every node; then whatever is still under way is cut"),
      })
      .transform(({ hold, timeout }) => ({ holdMs: hold, timeoutMs: timeout }))
      .prefault({})
      .describe("after SIGTERM: take no new work, finish the old"),
    geo: geoSchema
      .prefault({})
      .describe("where clients are; a path counts from the top folder, networks come beside those of the test clients"),
    testClients: z
      .record(countrySchema, z.int().min(1).max(99))
      .default({})
      .describe("country → calling code: 127.CODE.0.0/16 lies in that country, 127.CODE.0.7 is its test client"),
    containers: z
      .strictObject({
        firstOctet: z
          .int()
          .min(1)
          .max(223)
          .refine((octet) => octet !== 127, "an octet other than 127, which is loopback")
          .default(10)
          .describe("of every address in containers; another than 10 hides that part of the internet from this host"),
      })
      .prefault({})
      .describe("the same stack in containers"),
    scales: z
      .record(z.string(), z.partialRecord(serviceName, serverCount))
      .default({})
      .describe("name → servers of a zone, in place of those above"),
  }),
  (topology, context) => {
    for (const { path, message } of clashesOf(topology)) context.addIssue({ code: "custom", path, message });
    steeringMustNameRegions(context, topology.regions, topology.steering);
  },
);
export type Topology = z.output<typeof topologySchema>;
export type RegionTopology = Topology["regions"][string];
export type ServiceTopology = NonNullable<Topology["services"][OriginService]>;

interface Clash {
  readonly path: PropertyKey[];
  readonly message: string;
}

function clashesOf(topology: Topology): Clash[] {
  return [
    ...regionClashes(topology),
    ...testClientClashes(topology),
    ...serviceClashes(topology),
    ...roomClashes(topology),
    ...routeClashes(topology),
  ];
}

function* regionClashes({ regions, testClients, nameServerNumber }: Topology): Iterable<Clash> {
  const seen = new Map<number, string>();
  for (const [name, { number, zones, routers, httpProxyRouters }] of Object.entries(regions)) {
    const path = ["regions", name, "number"];
    const other = seen.get(number);
    const country = Object.keys(testClients).find((key) => testClients[key] === number);
    if (number === nameServerNumber) yield { path, message: `${number} is the number of the name servers` };
    else if (other !== undefined) yield { path, message: `${number} is the number of ${other} already` };
    else if (country !== undefined)
      yield { path, message: `${number} is the calling code of the test clients of ${country}` };
    seen.set(number, name);
    for (const [i, router] of httpProxyRouters.entries())
      if (router > routers)
        yield { path: ["regions", name, "httpProxyRouters", i], message: `the region has ${routers} routers` };
    for (const [i, letter] of zones.entries())
      if (zones.indexOf(letter) < i)
        yield { path: ["regions", name, "zones", i], message: `zone ${letter} is listed twice` };
  }
}

function* testClientClashes({ testClients }: Topology): Iterable<Clash> {
  const seen = new Map<number, string>();
  for (const [country, code] of Object.entries(testClients)) {
    const other = seen.get(code);
    if (other !== undefined)
      yield { path: ["testClients", country], message: `${code} is the calling code of ${other} already` };
    seen.set(code, country);
  }
}

function* serviceClashes({ services }: Topology): Iterable<Clash> {
  const seen = new Map<number, string>();
  for (const [name, service] of servicesOf(services)) {
    const at = (key: string) => ["services", name, key];
    const http = protocolOf[name] === "http";
    if (service.essential && !http) yield { path: at("essential"), message: "only an HTTP service can be essential" };
    if (service.proxyProtocol && !http)
      yield { path: at("proxyProtocol"), message: "only HTTP services speak the PROXY protocol" };
    if (service.stickyCookie !== undefined && (service.proxyProtocol !== "v2" || service.balance !== "ip-hash"))
      yield {
        path: at("stickyCookie"),
        message: "forwarders keep users together only by proxyProtocol: v2 and balance: ip-hash",
      };
    const { port } = service;
    if (port === undefined) continue;
    const other = port === adminPort ? "the admin listeners" : seen.get(port);
    if (other !== undefined) yield { path: at("port"), message: `${port} is the port of ${other} already` };
    seen.set(port, name);
  }
}

/** Every service fits between its first host and that of the next one, at every scale. */
function* roomClashes({ services, scales }: Topology): Iterable<Clash> {
  const inOrder = servicesOf(services).toSorted(([, a], [, b]) => a.firstHost - b.firstHost);
  const counts = [
    { path: (name: string) => ["services", name, "servers"], of: (name: OriginService) => services[name]?.servers },
    ...Object.entries(scales).map(([scale, servers]) => ({
      path: (name: string) => ["scales", scale, name],
      of: (name: OriginService) => servers[name],
    })),
  ];
  for (const [i, [name, { firstHost }]] of inOrder.entries()) {
    const next = inOrder[i + 1];
    const room = (next?.[1].firstHost ?? serverHostMax + 1) - firstHost;
    if (next && room === 0) {
      yield { path: ["services", next[0], "firstHost"], message: `${firstHost} is the first host of ${name} already` };
      continue;
    }
    const until = next ? `.${firstHost + room - 1}, before ${next[0]}` : `.${serverHostMax}`;
    for (const { path, of } of counts) {
      if ((of(name) ?? 0) > room)
        yield { path: path(name), message: `a zone has room for ${room} ${name} servers (.${firstHost} to ${until})` };
    }
  }
  for (const [scale, servers] of Object.entries(scales))
    for (const name of Object.keys(servers))
      if (!Object.hasOwn(services, name))
        yield { path: ["scales", scale, name], message: `there is no service "${name}" in services` };
}

function* routeClashes({ services, routes }: Topology): Iterable<Clash> {
  for (const [i, { service }] of routes.entries()) {
    const path = ["routes", i, "service"];
    if (!services[service]) yield { path, message: `there is no service "${service}" in services` };
    else if (protocolOf[service] !== "http")
      yield { path, message: `${service} is not an HTTP service: no route leads to it` };
    else if (services[service].port === undefined)
      yield { path, message: `${service} has no port: no forwarder carries it` };
  }
}

/** The services that a topology has, in the order of the file. */
export function servicesOf(services: Topology["services"]): [OriginService, ServiceTopology][] {
  return Object.entries(services) as [OriginService, ServiceTopology][];
}
