import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import {
  durationSchema,
  nodeKeys,
  poolMustExist,
  poolSchema,
  proxyVersionSchema,
  socketAddressSchema,
  workersSchema,
} from "./common.ts";

const serverNameSchema = z
  .string()
  .regex(
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/,
    'a name in small letters, or "*.example.org"',
  )
  .meta({ title: "server name" });

const modeSchema = z.enum(["userspace", "kernel", "auto"]);
const count = (max: number) => z.int().min(1).max(max);

const listenerSchema = z.strictObject({
  address: socketAddressSchema.describe("where it accepts connections; closed while its pool has no eligible endpoint"),
  protocol: z.enum(["tcp", "udp"]).default("tcp").describe("what it carries"),
  pool: z.string().describe("where connections go"),
  mode: modeSchema.optional().describe("who moves the bytes; default: the forwarder's own mode"),
  clientAddress: z
    .enum(["replace", "keep"])
    .default("replace")
    .describe("what servers see: the forwarder, or the client (kernel only, where their way back leads through it)"),
  connectionsPerServer: count(1_000_000)
    .optional()
    .describe("that one server may have at a time; one more goes to the next server"),
  onDown: z
    .enum(["keep", "reset"])
    .default("keep")
    .describe("connections of a server that checks take out: left alone, or reset"),
  onDrain: z
    .union([
      z.enum(["keep", "reset"]),
      z
        .strictObject({ finishWithin: durationSchema.describe("then what is left is reset") })
        .transform(({ finishWithin }) => ({ finishWithinMs: finishWithin })),
    ])
    .default("keep")
    .describe("connections of a server that drains: left alone, given a time, or reset"),
  queue: z
    .strictObject({
      length: count(10_000).default(64).describe("connections that wait at a time; one more is reset"),
      timeout: durationSchema.prefault("1s").describe("of one; then it is reset"),
    })
    .transform(({ length, timeout }) => ({ length, timeoutMs: timeout }))
    .optional()
    .describe("where connections wait while every server is full; none without it (userspace)"),
  rebalance: z
    .strictObject({
      olderThan: durationSchema.prefault("1m").describe("younger connections are left alone"),
      perSecond: count(1_000).default(1).describe("connections that are reset, at most"),
    })
    .transform(({ olderThan, perSecond }) => ({ olderThanMs: olderThan, perSecond }))
    .optional()
    .describe(
      "long connections move to servers that have fewer, as after a scale-out; without it none does (userspace)",
    ),
  sni: z
    .record(serverNameSchema, z.string())
    .optional()
    .describe("server name of a TLS ClientHello → pool, without ending TLS; other names go to `pool`"),
  proxyProtocol: z
    .strictObject({
      accept: proxyVersionSchema.optional().describe("every connection must begin with a header of this version"),
      send: proxyVersionSchema.optional().describe("each server is given a header of this version"),
    })
    .default({})
    .describe("PROXY headers, which say whose connection it is"),
});

const clientLimitMax = 1_000_000; // nft takes no more, and it is no limit any more

/** l4-forwarder.yaml */
export const l4ForwarderSchema = crossCheck(
  z.strictObject({
    ...nodeKeys,
    workers: workersSchema,
    mode: modeSchema
      .default("userspace")
      .describe("who moves the bytes: this process, the kernel (nftables), or the kernel where it can"),
    listeners: z.array(listenerSchema).min(1).describe("one for each service"),
    pools: z.record(z.string(), poolSchema).describe("name → endpoints that serve one purpose"),
    limits: z
      .strictObject({
        connectionsPerClient: count(clientLimitMax).optional().describe("at a time, of one address; one more is reset"),
        connectionsPerSecondPerClient: count(clientLimitMax).optional().describe("new ones, of one address"),
        burst: count(clientLimitMax).optional().describe("new ones at once; default: those of one second"),
      })
      .prefault({})
      .describe("what one client may take; off unless given"),
    timeouts: z
      .strictObject({
        proxyHeader: durationSchema.prefault("5s").describe("from accept to the end of a PROXY header that is wanted"),
        clientHello: durationSchema.prefault("5s").describe("from accept to the end of a ClientHello that `sni` wants"),
        connect: durationSchema.prefault("1s").describe("of one try at one server"),
        connectTotal: durationSchema.prefault("5s").describe("of all tries at all servers; no new try begins after it"),
        idle: durationSchema.prefault("5m").describe("no byte either way: both sides are reset"),
        udpIdle: durationSchema.prefault("30s").describe("no datagram either way: the session of a UDP client ends"),
        halfClosed: durationSchema.prefault("1m").describe("one side has ended and the other is silent"),
      })
      .transform((t) => ({
        proxyHeaderMs: t.proxyHeader,
        clientHelloMs: t.clientHello,
        connectMs: t.connect,
        connectTotalMs: t.connectTotal,
        idleMs: t.idle,
        udpIdleMs: t.udpIdle,
        halfClosedMs: t.halfClosed,
      }))
      .prefault({})
      .describe("how long each step may take"),
  }),
  (config, context) => {
    for (const [i, listener] of config.listeners.entries())
      poolMustExist(context, config.pools, listener.pool, ["listeners", i, "pool"]);
    if (config.workers !== 1)
      for (const [i, { address }] of config.listeners.entries())
        if (address.endsWith(":0"))
          context.addIssue({
            code: "custom",
            path: ["listeners", i, "address"],
            message: "port 0 cannot be shared by several workers",
          });
    for (const [name, { sticky }] of Object.entries(config.pools))
      if (sticky)
        context.addIssue({
          code: "custom",
          path: ["pools", name, "sticky"],
          message: "a forwarder sees no requests: its router says the affinity, and balance: ip-hash keeps it",
        });
    for (const [name, { retries }] of Object.entries(config.pools))
      if (retries.hedge)
        context.addIssue({
          code: "custom",
          path: ["pools", name, "retries", "hedge"],
          message: "a forwarder sees no requests, so it cannot send one twice: a router can",
        });
    const seen = new Set<string>();
    for (const [i, { address, protocol }] of config.listeners.entries()) {
      if (seen.has(`${protocol} ${address}`) && !address.endsWith(":0"))
        context.addIssue({ code: "custom", path: ["listeners", i, "address"], message: `${address} is listed twice` });
      seen.add(`${protocol} ${address}`);
    }
    for (const [i, listener] of config.listeners.entries()) {
      const mode = listener.mode ?? config.mode;
      const bytesChange = listener.proxyProtocol.accept ?? listener.proxyProtocol.send ?? listener.sni;
      for (const [name, pool] of Object.entries(listener.sni ?? {}))
        poolMustExist(context, config.pools, pool, ["listeners", i, "sni", name]);
      const problem = (key: string, message: string) =>
        context.addIssue({ code: "custom", path: ["listeners", i, key], message });
      if (listener.protocol === "udp" && bytesChange)
        problem("protocol", "only TCP can carry PROXY headers and server names");
      if (listener.mode === "kernel" && bytesChange)
        problem("mode", "the kernel cannot read or write PROXY headers, nor read server names");
      if (listener.clientAddress === "keep" && (mode === "userspace" || bytesChange))
        problem("clientAddress", "only the kernel can keep it: set mode: kernel, without proxyProtocol and sni");
    }
  },
);
export type L4ForwarderConfig = z.output<typeof l4ForwarderSchema>;
export type L4ListenerConfig = L4ForwarderConfig["listeners"][number];
