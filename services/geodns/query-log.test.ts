import pino from "pino";
import { Hono } from "hono";
import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import { queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "./answer.ts";
import { QueryLog, addQueryLogRoute } from "./query-log.ts";

function logOf(sample: number) {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null, timestamp: false }, { write: (line) => void lines.push(JSON.parse(line)) });
  const clock = new FakeClock();
  const queryLog = new QueryLog({ sample }, { clock, random: seededRandom(3), log });
  const wanted = (queries: number) => Array.from({ length: queries }, () => queryLog.wants()).filter(Boolean).length;
  return { queryLog, clock, lines, wanted };
}

describe("the query log", () => {
  it("is off, unless it is asked for", () => {
    expect(logOf(0).wanted(10_000)).toBe(0);
  });

  it("takes the share it was told, by chance", async () => {
    const { wanted, clock } = logOf(0.05);
    let lines = 0;
    for (let second = 0; second < 100; second++) {
      lines += wanted(1_000);
      await clock.advance(1_000);
    }
    expect(Math.abs(lines - 5_000)).toBeLessThan(250);
  });

  it("takes every query, but 100 a second at most", async () => {
    const { wanted, clock } = logOf(1);
    expect(wanted(90)).toBe(90);
    expect(wanted(90)).toBe(10);
    await clock.advance(1_000);
    expect(wanted(90)).toBe(90);
  });

  it("goes back to what the config says when an operator's time is over", async () => {
    const { queryLog, wanted, clock } = logOf(0);
    queryLog.setFor(1, 60_000);
    expect(wanted(10)).toBe(10);
    queryLog.setConfig({ sample: 0.5 });
    expect(queryLog.share).toBe(1);
    await clock.advance(60_000);
    expect(queryLog.share).toBe(0.5);
  });

  it("writes who asked for what, and what was decided why", () => {
    const { queryLog, lines } = logOf(1);
    const answerer = new Answerer(snapshotOf(), termsOf());
    answerer.answer(queryBytes(), { address: parseAddress("127.49.0.7")! }, "udp", new Uint8Array(65_535));
    queryLog.write(answerer, { address: parseAddress("127.49.0.7")! }, "udp");
    expect(lines).toEqual([
      {
        level: 30,
        msg: "query",
        client: "127.49.0.7",
        name: "www.stream.test",
        type: "A",
        transport: "udp",
        rcode: "NOERROR",
        geo: "web",
        region: "eu-west",
        rule: "continent EU",
        reason: "OK",
        ttl: 10,
        scope: 22,
        ecs: null,
      },
    ]);
  });

  it("is asked for by the admin API, for an hour at most", async () => {
    const { queryLog } = logOf(0);
    const app = new Hono();
    app.onError((error, c) => c.json({ error: error.message }, error instanceof UsageError ? 400 : 500));
    addQueryLogRoute(app, queryLog);
    const put = async (query: string) => (await app.request(`/query-log?${query}`, { method: "PUT" })).status;
    expect(await put("sample=0.5&for=1m")).toBe(200);
    expect(queryLog.share).toBe(0.5);
    for (const wrong of ["", "sample=2", "sample=x", "sample=1&for=2h", "sample=1&for=soon"])
      expect(await put(wrong)).toBe(400);
    queryLog.stop();
  });
});
