import { describe, expect, it } from "vitest";
import { listenUdp } from "#shared/net/listen-udp.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { TelemetryClient } from "./telemetry-client.ts";

describe("counters of a server", () => {
  it("are sent once a second, to one forwarder after the other", async () => {
    const got: string[] = [];
    const arrivals: (() => void)[] = [];
    const sink = (name: string) =>
      listenUdp({
        address: "127.0.0.1:0",
        onDatagram(datagram, from) {
          got.push(`${name} ${from.address} ${datagram.toString()}`);
          arrivals.shift()?.();
        },
      });
    await using one = await sink("one");
    await using two = await sink("two");
    const clock = new FakeClock();
    const sinks = [one.address, two.address];
    const client = new TelemetryClient({ sinks: () => sinks, localAddress: "127.77.0.7", clock });
    const arrival = () => new Promise<void>((resolve) => arrivals.push(resolve));
    for (const _ of sinks) {
      client.count("api.requests");
      client.count("api.requests");
      client.count("api.catalog");
      const next = arrival();
      await clock.advance(1_000);
      await next;
    }
    expect(got).toEqual(["one", "two"].map((name) => `${name} 127.77.0.7 api.requests:2|c\napi.catalog:1|c`));
    expect(client.sent).toBe(2);
    client.drop();
  });

  it("are none where nobody takes them", async () => {
    const clock = new FakeClock();
    const client = new TelemetryClient({ sinks: () => [], localAddress: "127.0.0.1", clock });
    client.count("api.requests");
    await clock.advance(5_000);
    expect(client.sent).toBe(0);
  });
});
