import { z } from "zod";
import { crossCheck } from "./cross-check.ts";
import { nodeKeys, proxyVersionSchema, socketAddressSchema } from "./common.ts";

export const originServices = ["web", "api", "static", "admin", "telemetry", "db", "jobs"] as const;

const serverSchema = z.strictObject({
  name: z.string().min(1).describe("web-1, api-3 ...: unique in the zone"),
  service: z.enum(originServices).describe("what it serves: telemetry over UDP, db over RESP2, the others over HTTP"),
  jobs: z
    .strictObject({
      slots: z.int().min(1).max(1_000).default(1).describe("done at the same time; the others wait in their order"),
      speed: z.number().min(0.01).max(100).default(1).describe("a job takes its time divided by it"),
    })
    .prefault({})
    .describe("of a server of service jobs"),
  address: socketAddressSchema.describe("its own: servers are stopped one by one"),
  proxyProtocol: z
    .strictObject({ accept: proxyVersionSchema.describe("version of the header") })
    .optional()
    .describe("every connection must begin with such a header"),
});
export type OriginServerConfig = z.output<typeof serverSchema>;

/** origin.yaml: the servers of one zone, in one process. */
export const originSchema = crossCheck(
  z.strictObject({
    ...nodeKeys,
    servers: z.array(serverSchema).min(1).max(1_000).describe("the servers of the zone"),
    replicas: z
      .array(socketAddressSchema)
      .max(16)
      .default([])
      .describe("where api servers read the film catalogue: the db listeners of the zone's forwarders, asked in turn"),
    telemetry: z
      .array(socketAddressSchema)
      .max(16)
      .default([])
      .describe("where api servers send counters by UDP: the telemetry listeners of the zone's forwarders, in turn"),
  }),
  (origin, context) => {
    const names = new Set<string>();
    const addresses = new Set<string>();
    for (const [i, { name, address }] of origin.servers.entries()) {
      const path = (key: string) => ["servers", i, key];
      if (names.has(name)) context.addIssue({ code: "custom", path: path("name"), message: `${name} is taken` });
      if (addresses.has(address) && !address.endsWith(":0"))
        context.addIssue({ code: "custom", path: path("address"), message: `${address} is listed twice` });
      names.add(name);
      addresses.add(address);
    }
  },
);
export type OriginConfig = z.output<typeof originSchema>;
