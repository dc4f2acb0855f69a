import { z } from "zod";
import {
  durationSchema,
  nodeKeys,
  poolMustExist,
  poolSchema,
  proxyVersionSchema,
  socketAddressSchema,
} from "./common.ts";

const listenerSchema = z.strictObject({
  address: socketAddressSchema,
  protocol: z.literal("tcp").default("tcp"),
  pool: z.string(),
  proxyProtocol: z
    .strictObject({ accept: proxyVersionSchema.optional(), send: proxyVersionSchema.optional() })
    .default({})
    .describe("accept: every connection must begin with such a header; send: each server is given one"),
});

/** l4-forwarder.yaml */
export const l4ForwarderSchema = z
  .strictObject({
    ...nodeKeys,
    mode: z.literal("userspace").default("userspace"),
    listeners: z.array(listenerSchema).min(1),
    pools: z.record(z.string(), poolSchema),
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
      .prefault({}),
  })
  .superRefine((config, context) => {
    for (const [i, listener] of config.listeners.entries())
      poolMustExist(context, config.pools, listener.pool, ["listeners", i, "pool"]);
    const seen = new Set<string>();
    for (const [i, { address }] of config.listeners.entries()) {
      if (seen.has(address) && !address.endsWith(":0"))
        context.addIssue({ code: "custom", path: ["listeners", i, "address"], message: `${address} is listed twice` });
      seen.add(address);
    }
  });
export type L4ForwarderConfig = z.output<typeof l4ForwarderSchema>;
export type L4ListenerConfig = L4ForwarderConfig["listeners"][number];
