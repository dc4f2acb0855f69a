import { describe, expect, it } from "vitest";
import { messageOf } from "#shared/core/error.ts";
import { parseConfig } from "../load.ts";
import { l4ForwarderSchema } from "./l4-forwarder.ts";
import { l7RouterSchema } from "./l7-router.ts";

const withPool = (pool: string) => `listeners: [{address: "127.0.0.1:1"}]
routes: []
pools:
  api: {endpoints: [], ${pool}}
`;

function complain(pool: string): string {
  try {
    parseConfig(withPool(pool), "x.yaml", l7RouterSchema);
  } catch (error) {
    return messageOf(error);
  }
  return "";
}

describe("retries.hedge", () => {
  it.each([
    { after: "50ms", wanted: { ms: 50 } },
    { after: "1s", wanted: { ms: 1_000 } },
    { after: "p95", wanted: { percentile: 95 } },
  ])("after: $after", ({ after, wanted }) => {
    const { pools } = parseConfig(withPool(`retries: {hedge: {after: ${after}}}`), "x.yaml", l7RouterSchema);
    expect(pools["api"]?.retries.hedge).toEqual({ after: wanted });
  });

  it.each([
    {
      pool: "retries: {hedge: {after: p12}}",
      says: /4:49 pools\.api\.retries\.hedge\.after: expected a duration such as 50ms, or p50, p75, p90, p95 or p99, got "p12"/,
    },
    { pool: "retries: {hedge: {after: 0s}}", says: /retries\.hedge\.after: expected a duration/ },
    {
      pool: "retries: {attempts: 1, hedge: {after: p95}}",
      says: /4:\d+ pools\.api\.retries\.hedge: needs attempts: 2/,
    },
    {
      pool: "sticky: {cookie: ws}, retries: {hedge: {after: p95}}",
      says: /4:\d+ pools\.api\.retries\.hedge: a sticky pool keeps a user at one server/,
    },
  ])("is refused: $pool", ({ pool, says }) => {
    expect(complain(pool)).toMatch(says);
  });

  it("is refused by a forwarder", () => {
    const text = `listeners: [{address: "127.0.0.1:1", protocol: tcp, pool: api}]
pools: {api: {endpoints: [], retries: {hedge: {after: 50ms}}}}`;
    expect(() => parseConfig(text, "x.yaml", l4ForwarderSchema)).toThrow(/hedge: a forwarder sees no requests/);
  });
});
