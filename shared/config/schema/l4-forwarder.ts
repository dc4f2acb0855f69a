import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import {
  durationSchema,
  nodeKeys,
  poolMustExist,
  poolSchema,
  proxyVersionSchema,
  socketAddressSchema,
} from "./common.ts";

const listenerSchema = z.strictObject({
  address: socketAddressSchema.describe("where it accepts connections; closed while its pool has no eligible endpoint"),
  protocol: z.literal("tcp").default("tcp").describe("what it carries"),
  pool: z.string().describe("where connections go"),
  proxyProtocol: z
    .strictObject({
      accept: proxyVersionSchema.optional().describe("every connection must begin with a header of this version"),
      send: proxyVersionSchema.optional().describe("each server is given a header of this version"),
    })
    .default({})
    .describe("PROXY headers, which say whose connection it is"),
});

/** l4-forwarder.yaml */
export const l4ForwarderSchema = crossCheck(
  z.strictObject({
    ...nodeKeys,
    mode: z.literal("userspace").default("userspace").describe("who moves the bytes: this process"),
    listeners: z.array(listenerSchema).min(1).describe("one for each service"),
    pools: z.record(z.string(), poolSchema).describe("name → endpoints that serve one purpose"),
    timeouts: z
      .strictObject({
        proxyHeader: durationSchema.prefault("5s").describe("from accept to the end of a PROXY header that is wanted"),
        connect: durationSchema.prefault("1s").describe("of one try at one server"),
        connectTotal: durationSchema.prefault("5s").describe("of all tries at all servers; no new try begins after it"),
        idle: durationSchema.prefault("5m").describe("no byte either way: both sides are reset"),
        halfClosed: durationSchema.prefault("1m").describe("one side has ended and the other is silent"),
      })
      .transform((t) => ({
        proxyHeaderMs: t.proxyHeader,
        connectMs: t.connect,
        connectTotalMs: t.connectTotal,
        idleMs: t.idle,
        halfClosedMs: t.halfClosed,
      }))
      .prefault({})
      .describe("how long each step may take"),
  }),
  (config, context) => {
    for (const [i, listener] of config.listeners.entries())
      poolMustExist(context, config.pools, listener.pool, ["listeners", i, "pool"]);
    const seen = new Set<string>();
    for (const [i, { address }] of config.listeners.entries()) {
      if (seen.has(address) && !address.endsWith(":0"))
        context.addIssue({ code: "custom", path: ["listeners", i, "address"], message: `${address} is listed twice` });
      seen.add(address);
    }
  },
);
export type L4ForwarderConfig = z.output<typeof l4ForwarderSchema>;
export type L4ListenerConfig = L4ForwarderConfig["listeners"][number];
