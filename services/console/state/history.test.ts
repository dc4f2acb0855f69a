import { describe, expect, it } from "vitest";
import type { Snapshot } from "../model.ts";
import { History } from "./history.ts";

const snapshot = (id: number, atMs: number): Snapshot => ({
  sample: {
    id,
    atMs,
    dnsRate: 0,
    httpRate: id,
    errorShare: null,
    p50Ms: null,
    p99Ms: null,
    regions: {},
    clientFailures: 0,
  },
  nodes: [],
  servers: [],
  regions: [],
  traffic: null,
});

const keep = (history: History, one: Snapshot) => history.push(one, JSON.stringify(one));

describe("the history", () => {
  it("keeps one snapshot a second, for ten minutes", () => {
    const history = new History();
    for (let i = 1; i <= 1_400; i++) keep(history, snapshot(i, 1_000_000 + i * 500));
    const kept = history.samplesSince(0);
    expect(kept).toHaveLength(600);
    expect(kept.at(-1)!.atMs - kept[0]!.atMs).toBe(599_000);
    expect(history.samplesSince(kept.at(-2)!.id)).toEqual([kept.at(-1)]);
  });

  it("finds how it was at a moment", () => {
    const history = new History();
    expect(history.findAt(5)).toBeUndefined();
    for (let i = 1; i <= 10; i++) keep(history, snapshot(i, i * 1_000));
    const idAt = (atMs: number) => (JSON.parse(history.findAt(atMs)!) as Snapshot).sample.id;
    expect([idAt(0), idAt(4_400), idAt(99_000)]).toEqual([1, 4, 10]);
  });
});
