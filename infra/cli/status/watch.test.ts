import { describe, expect, it } from "vitest";
import type { NodeReport } from "./ask.ts";
import { changeText, changesOf, statesOf } from "./watch.ts";

const silent = (name: string): NodeReport => {
  const refused = { status: null, reason: "CONNECT_FAILED", error: "refused", refusedWith: null } as const;
  return { name, service: "l4-forwarder", admin: "127.0.0.1:1", ...refused };
};
const forwarder = (name: string, states: Readonly<Record<string, string>>): NodeReport => {
  const endpoints = Object.entries(states).map(([endpoint, state]) => ({
    address: "127.0.0.1:9",
    name: endpoint,
    state,
    reason: "OK",
    since: "2030-01-01T00:00:00Z",
    active: 0,
    weight: 1,
  }));
  const status = { state: "ready", pools: [{ name: "api", endpoints }] };
  return { name, service: "l4-forwarder", admin: "127.0.0.1:1", status, reason: null, error: null, refusedWith: null };
};

describe("what has changed", () => {
  const was = [forwarder("a/l4-1", { "api-1": "up", "api-2": "up" })];
  it.each([
    { name: "is nothing", now: was, lines: [] },
    {
      name: "is an endpoint that went down",
      now: [forwarder("a/l4-1", { "api-1": "up", "api-2": "down" })],
      lines: ["a/l4-1  api a/api-2  up → down"],
    },
    {
      name: "is a node that fell silent, and not each of its endpoints",
      now: [silent("a/l4-1")],
      lines: ["a/l4-1  not there → unreachable"],
    },
    {
      name: "is an endpoint that came, and one that went",
      now: [forwarder("a/l4-1", { "api-2": "up", "api-3": "up" })],
      lines: ["a/l4-1  api a/api-3  not there → up", "a/l4-1  api a/api-1  up → gone"],
    },
  ])("$name", ({ now, lines }) => {
    expect(changesOf(statesOf(was), statesOf(now)).map(changeText)).toEqual(lines);
  });

  it("is a node that came back, with what is not well of it", () => {
    const now = [forwarder("a/l4-1", { "api-1": "up", "api-2": "down" })];
    expect(changesOf(statesOf([silent("a/l4-1")]), statesOf(now)).map(changeText)).toEqual([
      "a/l4-1  api a/api-2  not there → down",
      "a/l4-1  unreachable → ready",
    ]);
  });
});
