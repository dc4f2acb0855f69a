import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig, validate } from "#shared/config/load.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { configOf } from "./topology.ts";

const file = readFileSync(new URL("../../infra/topology.yaml", import.meta.url), "utf8");
const topologyWith = (settings: string) =>
  parseConfig(file.replace("proxyProtocol: v2 }", `${settings} }`), "topology.yaml", topologySchema);

describe("stickyCookie of a service", () => {
  it("makes its pools sticky in routers, and hashed by the bucket in forwarders", () => {
    const topology = topologyWith("proxyProtocol: v2, balance: ip-hash, stickyCookie: ws");
    const router = validate(configOf(topology, "eu-west/l7-2").config, "router", l7RouterSchema);
    const forwarder = validate(configOf(topology, "eu-west-b/l4-1").config, "forwarder", l4ForwarderSchema);
    expect(router.pools["api"]).toMatchObject({
      sticky: { cookie: "ws", ttlMs: 3_600_000 },
      proxyProtocol: { send: "v2" },
    });
    expect(forwarder.pools["api"]?.balance).toBe("ip-hash");
    expect(router.pools["web"]?.sticky).toBeUndefined();
  });

  it.each(["proxyProtocol: v2, stickyCookie: ws", "balance: ip-hash, stickyCookie: ws"])(
    "is refused with %s",
    (text) => {
      expect(() => topologyWith(text)).toThrow(/services\.api\.stickyCookie: forwarders keep users together only by/);
    },
  );
});
