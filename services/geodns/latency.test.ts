import { describe, expect, it } from "vitest";
import { createMetrics } from "#shared/observe/metrics.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Latency } from "./latency.ts";

describe("the time that answers take", () => {
  it("is taken of the first message and of every 63rd behind it, by transport", async () => {
    const clock = new FakeClock();
    const metrics = createMetrics({ service: "geodns", node: "ns1" });
    const latency = new Latency({ clock, metrics });
    for (let i = 0; i < 127; i++) {
      latency.start();
      await clock.advance(0.03);
      latency.end(i === 126 ? "tcp" : "udp");
    }
    const text = await metrics.render();
    const valueOf = (suffix: string, transport: string, le = "") =>
      Number(new RegExp(`answer_seconds_${suffix}\\{${le}transport="${transport}".*\\} (.*)`).exec(text)?.[1]);
    expect(valueOf("count", "udp")).toBe(2);
    expect(valueOf("count", "tcp")).toBe(1);
    expect(valueOf("count", "tls")).toBe(0);
    expect(valueOf("sum", "udp")).toBeCloseTo(0.000_06);
    expect(valueOf("bucket", "udp", 'le="0.00002",')).toBe(0);
    expect(valueOf("bucket", "udp", 'le="0.00005",')).toBe(2);
  });
});
