import { describe, expect, it } from "vitest";
import type { PoolStatus } from "#shared/endpoint/status.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { Awaited } from "./awaited.ts";
import { lineJson, lineText } from "./lines.ts";
import type { Line } from "./lines.ts";
import { EventReader } from "./sse.ts";
import type { NodeEvent } from "./sse.ts";

const router: TopologyNode = {
  name: "eu-west/l7-1",
  service: "l7-router",
  region: "eu-west",
  zone: "eu-west-a",
  address: "127.11.0.1",
  localAddress: "127.11.0.1",
  admin: "127.11.0.1:7900",
  listens: [],
};

function pool(states: Readonly<Record<string, string>>): PoolStatus {
  const endpoints = Object.entries(states).map(([address, state]) => ({ address, name: address, state }));
  return { name: "api", endpoints } as unknown as PoolStatus;
}

const event = (type: string, endpoint: string): NodeEvent => ({
  type,
  data: { pool: "api", endpoint, name: endpoint, zone: "eu-west-a", reason: "CHECK_REFUSED", detail: "refused" },
});

describe("what is awaited", () => {
  const pools = [pool({ "127.11.1.1:7002": "up", "127.11.1.2:7002": "down", "127.11.2.1:7002": "up" })];

  it("is the loss of what is up, until its node tells it", () => {
    const awaited = new Awaited("gone");
    awaited.add(router, pools, ["127.11.1.1", "127.11.1.2"]);
    expect(awaited.pending.map(({ endpoint }) => endpoint)).toEqual(["127.11.1.1:7002"]);
    awaited.saw(router, event("endpoint_up", "127.11.1.1:7002"));
    awaited.saw({ ...router, name: "eu-west/l7-2" }, event("endpoint_down", "127.11.1.1:7002"));
    expect(awaited.pending).toHaveLength(1);
    awaited.saw(router, event("endpoint_draining", "127.11.1.1:7002"));
    expect({ pending: awaited.pending, watchers: awaited.watchers }).toEqual({ pending: [], watchers: 1 });
  });

  it("is the return of what is not up, also where its event was lost", () => {
    const awaited = new Awaited("up");
    awaited.add(router, pools, ["127.11.1.1", "127.11.1.2"]);
    expect(awaited.pending.map(({ endpoint }) => endpoint)).toEqual(["127.11.1.2:7002"]);
    awaited.recheck("eu-west/l7-1", pools);
    expect(awaited.pending).toHaveLength(1);
    awaited.recheck("eu-west/l7-1", [pool({ "127.11.1.2:7002": "up" })]);
    expect(awaited.pending).toEqual([]);
  });

  it("is nothing where nobody has it among its endpoints", () => {
    const awaited = new Awaited("gone");
    awaited.add(router, pools, ["127.12.1.1"]);
    expect(awaited.watchers).toBe(0);
  });
});

describe("a stream of events", () => {
  const written = `id: 7\nevent: endpoint_down\ndata: ${JSON.stringify({ id: 7, at: "", ...event("endpoint_down", "a:1") })}\n\n`;

  it("is read whole, however it is cut", () => {
    for (const at of [1, 20, written.length - 1]) {
      const reader = new EventReader();
      const events = [...reader.push(`: connected\n\n${written.slice(0, at)}`), ...reader.push(written.slice(at))];
      expect(events).toEqual([event("endpoint_down", "a:1")]);
    }
  });

  it("may hold what is none, and never more than its bound", () => {
    const reader = new EventReader();
    expect(reader.push("data: no json\n\ndata: {}\n\n: alive\n\n")).toEqual([]);
    expect(reader.push(`data: ${"x".repeat(100_000)}`)).toEqual([]);
    expect(reader.push(`\n\n${written}`)).toHaveLength(1);
  });
});

describe("a line", () => {
  const cases: readonly { line: Line; text: string }[] = [
    {
      line: { kind: "event", afterMs: 3_149, node: "ns1", event: event("endpoint_down", "127.11.0.1:8080") },
      text: " +3.1 s  ns1           endpoint_down      pool api eu-west/l7-1 CHECK_REFUSED",
    },
    {
      line: { kind: "event", afterMs: 12_000, node: "ns1", event: event("endpoint_up", "127.11.1.100:9000") },
      text: "+12.0 s  ns1           endpoint_up        pool api 127.11.1.100:9000 CHECK_REFUSED",
    },
    {
      line: {
        kind: "event",
        afterMs: 0,
        node: "ns1",
        event: {
          type: "region_down",
          data: { service: "web", region: "eu-west", reason: "CHECK_TIMEOUT", steering: "REGION_FAILOVER" },
        },
      },
      text: " +0.0 s  ns1           region_down        service web eu-west CHECK_TIMEOUT REGION_FAILOVER",
    },
    {
      line: { kind: "event", afterMs: 0, node: "ns1", event: { type: "draining", data: { a: { b: 1 } } } },
      text: " +0.0 s  ns1           draining",
    },
    {
      line: { kind: "action", afterMs: 40, node: "eu-west/l7-1", what: "killed" },
      text: " +0.0 s  eu-west/l7-1  killed",
    },
    { line: { kind: "note", afterMs: 99_960, what: "seen\u001b[2J by all" }, text: "+100.0 s  seen?[2J by all" },
  ];

  it.each(cases)("$text", ({ line, text }) => {
    expect(lineText(line, [router])).toBe(text);
  });

  it("is one flat object for programs", () => {
    const line = { kind: "event", afterMs: 3_149.4, node: "ns1", event: event("endpoint_down", "a:1") } as const;
    expect(lineJson(line)).toEqual({
      kind: "event",
      afterMs: 3_149,
      node: "ns1",
      event: "endpoint_down",
      data: line.event.data,
    });
  });
});
