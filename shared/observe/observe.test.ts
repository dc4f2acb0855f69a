import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { DecisionLog } from "./decisions.ts";
import { EventLog } from "./events.ts";
import { metricTable } from "./metric-table.ts";
import { createMetrics } from "./metrics.ts";

describe("metrics", () => {
  it("render with help, labels and value under the names of the table", async () => {
    const metrics = createMetrics({ service: "geodns", node: "ns1" });
    metrics.count("watershed_dns_queries_total", { transport: "udp", type: "A", rcode: "NOERROR" });
    metrics.count("watershed_dns_queries_total", { transport: "udp", type: "A", rcode: "NOERROR" }, 2);
    const text = await metrics.render();
    expect(text).toContain(`# HELP watershed_dns_queries_total ${metricTable.watershed_dns_queries_total.help}`);
    expect(text).toMatch(
      /watershed_dns_queries_total\{transport="udp",type="A",rcode="NOERROR",service="geodns",node="ns1"\} 3/,
    );
  });

  it("include those of Node itself", async () => {
    expect(await createMetrics({ service: "x", node: "x" }).render()).toContain("nodejs_eventloop_lag_seconds");
  });

  for (const [name, metric] of Object.entries(metricTable))
    it(`${name} follows the naming rules of Prometheus`, () => {
      expect(name).toMatch(/^watershed_[a-z0-9_]+$/);
      expect(name.endsWith("_total")).toBe(metric.type === "counter");
      for (const label of metric.labels) expect(["service", "node"], "the default labels").not.toContain(label);
      if (metric.type === "histogram") expect(name).toMatch(/_(seconds|bytes)$/);
    });
});

describe("events", () => {
  it("are numbered, kept and streamed to whoever listens", () => {
    const events = new EventLog();
    events.emit("endpoint_down", { endpoint: "a" });
    const seen: number[] = [];
    const stop = events.subscribe((event) => seen.push(event.id));
    events.emit("endpoint_up", { endpoint: "a" });
    stop();
    events.emit("endpoint_down", { endpoint: "a" });
    expect(seen).toEqual([2]);
    expect(events.since(1).map((event) => event.id)).toEqual([2, 3]);
  });

  it("forget the oldest first, within a bound", () => {
    const events = new EventLog();
    for (let i = 0; i < 1_500; i++) events.emit("tick", {});
    const kept = events.since(0);
    expect(kept.length).toBe(1_000);
    expect(kept[0]?.id).toBe(501);
  });
});

describe("decisions", () => {
  it("are found by their id until newer ones push them out", () => {
    const decisions = new DecisionLog(new EventLog());
    decisions.record("first", { n: 0 });
    expect(decisions.find("first")).toEqual({ n: 0 });
    for (let i = 1; i <= 512; i++) decisions.record(`id-${i}`, { n: i });
    expect(decisions.find("first")).toBeUndefined();
    expect(decisions.find("id-1")).toEqual({ n: 1 });
  });

  it("are drawn for whoever looks on, so many a second, and push out nothing that was asked for", async () => {
    const events = new EventLog();
    const passedOver: unknown[] = [];
    events.subscribe(({ type, data }) => type === "decisions_passed_over" && passedOver.push(data));
    const decisions = new DecisionLog(events);
    const clock = new FakeClock();
    expect([decisions.isWatched, decisions.draw(clock)]).toEqual([false, undefined]);
    const stop = decisions.watch();
    decisions.record("asked-for", {});
    const drawn = Array.from({ length: 600 }, () => decisions.draw(clock)).filter((id) => id !== undefined);
    expect(new Set(drawn).size).toBe(50);
    for (let i = 0; i < 600; i++) decisions.record(drawn[i % 50]!, {});
    expect(decisions.find("asked-for")).toEqual({});
    expect(decisions.find(drawn[0]!)).toBeUndefined();
    await clock.advance(1_000);
    expect(decisions.draw(clock)).toBeDefined();
    expect(passedOver).toEqual([{ count: 550 }]);
    stop();
    stop();
    expect([decisions.isWatched, decisions.draw(clock)]).toEqual([false, undefined]);
  });

  it("are streamed as events, but not kept among them: a flood of traces must not push out changes of state", () => {
    const events = new EventLog();
    const seen: unknown[] = [];
    events.subscribe(({ type, data }) => seen.push([type, data]));
    new DecisionLog(events).record("abc", { region: "eu-west" });
    expect(seen).toEqual([["decision", { id: "abc", region: "eu-west" }]]);
    expect(events.since(0)).toEqual([]);
  });
});
