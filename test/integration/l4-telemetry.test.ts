import { describe, expect, it } from "vitest";
import { OriginService } from "#origin/service.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { TestForwarder } from "#test/support/forwarder.ts";
import { testHost } from "#test/support/host.ts";
import { originConfig, startOrigin } from "#test/support/origin.ts";

const host = "127.66.4.8"; // apart from whatever else listens on this machine

describe("counters of an api server", () => {
  it("reach a sink of the zone through a forwarder, which checks the sink by UDP", async () => {
    await using sinks = await startOrigin([{ name: "telemetry-1", service: "telemetry" }]);
    const health = { type: "udp", send: "health", expect: "ok", interval: "50ms", timeout: "40ms" };
    await using forwarder = await TestForwarder.start({
      listeners: [{ address: `${host}:0`, protocol: "udp", pool: "telemetry" }],
      pools: { telemetry: { endpoints: [{ address: sinks.addressOf("telemetry-1") }], health } },
    });
    await forwarder.until(() => forwarder.listener("telemetry").open);
    const clock = new FakeClock();
    const { address } = forwarder.listener("telemetry");
    const config = originConfig([{ name: "api-1", service: "api" }], [], [address]);
    const apis = await OriginService.start(config, testHost({ clock }));
    const [api] = apis.servers;
    for (let i = 0; i < 3; i++) await (await fetch(`http://${api!.status().address}/api/users`)).text();
    await clock.advance(1_000);
    await expect
      .poll(async () => (await sinks.get("/servers/telemetry-1")).body["counters"])
      .toEqual({ "api.requests": 3 });
    await apis.close();
  });
});
