import { describe, expect, it } from "vitest";
import { Rig, head } from "#test/contract/engine/rig.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { RateLimiter, bucketsMax, clientKey } from "./rate-limit.ts";
import type { Asker } from "./rate-limit.ts";

function asker(client: string, headers: Record<string, string> = {}): Asker {
  return { client, request: { headerValues: (name) => (headers[name] === undefined ? [] : [headers[name]]) } };
}

/** How many of `count` requests at once go on. */
function passed(limiter: RateLimiter, client: string, count: number): number {
  return Array.from({ length: count }, () => limiter.refuse(asker(client))).filter((refused) => !refused).length;
}

describe("a rate limit", () => {
  it("is off unless it is configured", () => {
    expect(passed(new RateLimiter({}, new FakeClock()), "192.0.2.1", 1_000)).toBe(1_000);
  });

  it("lets a burst through, then the rate, for each client alone", async () => {
    const clock = new FakeClock();
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 2, burst: 5 }, clock);
    expect(passed(limiter, "192.0.2.1", 9)).toBe(5);
    await clock.advance(1_000);
    expect(passed(limiter, "192.0.2.1", 9)).toBe(2);
    expect(passed(limiter, "192.0.2.2", 9)).toBe(5);
    await clock.advance(60_000);
    expect(passed(limiter, "192.0.2.1", 9)).toBe(5);
  });

  it("says when to come back", () => {
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 2, burst: 5 }, new FakeClock());
    passed(limiter, "192.0.2.1", 5);
    expect(limiter.refuse(asker("192.0.2.1"))).toMatchObject({
      status: 429,
      reason: "RATE_LIMITED",
      headers: ["Retry-After", "1", "RateLimit-Policy", '"client";q=5;w=3', "RateLimit", '"client";r=0;t=1'],
    });
  });

  it.each([
    { name: "a header", by: { header: "X-Key" }, one: { "x-key": "k1" }, other: { "x-key": "k2" } },
    {
      name: "a long header",
      by: { header: "X-Key" },
      one: { "x-key": "k".repeat(99) },
      other: { "x-key": "k".repeat(98) },
    },
    { name: "a cookie", by: { cookie: "id" }, one: { cookie: "a=b; id=1" }, other: { cookie: "id=2" } },
  ])("goes by $name, wherever it comes from, and by the address without it", ({ by, one, other }) => {
    const limiter = new RateLimiter(
      { rates: [{ name: "k", by, requestsPerSecond: 1, burst: undefined }] },
      new FakeClock(),
    );
    const goes = (client: string, headers?: Record<string, string>) => !limiter.refuse(asker(client, headers));
    expect([goes("192.0.2.1", one), goes("192.0.2.2", one), goes("192.0.2.2", other)]).toEqual([true, false, true]);
    expect([goes("192.0.2.1"), goes("192.0.2.1"), goes("192.0.2.2")]).toEqual([true, false, true]);
  });

  it("takes nothing of one rate where another has nothing left, and tells of both", async () => {
    const clock = new FakeClock();
    const rates = [
      { name: "burst", by: "client" as const, requestsPerSecond: 1, burst: 2 },
      { name: "site", by: "all" as const, requestsPerSecond: 0.1, burst: 3 },
    ];
    const limiter = new RateLimiter({ rates }, clock);
    expect(passed(limiter, "192.0.2.1", 3)).toBe(2);
    expect(limiter.look("", undefined, asker("192.0.2.2")).map(({ tokens }) => tokens)).toEqual([2, 1]);
    expect(passed(limiter, "192.0.2.2", 2)).toBe(1);
    expect(limiter.refuse(asker("192.0.2.2"))?.headers).toEqual([
      "Retry-After",
      "10",
      "RateLimit-Policy",
      '"burst";q=2;w=2, "site";q=3;w=30',
      "RateLimit",
      '"burst";r=1, "site";r=0;t=10',
    ]);
    await clock.advance(10_000);
    expect(passed(limiter, "192.0.2.2", 2)).toBe(1);
  });

  it("keeps over a reload what clients have taken", () => {
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 3 }, new FakeClock());
    passed(limiter, "192.0.2.1", 3);
    limiter.limits = { requestsPerSecondPerClient: 5 };
    expect(passed(limiter, "192.0.2.1", 1)).toBe(0);
  });

  it("forgets the client that it has not seen for longest when its table is full", () => {
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 1 }, new FakeClock());
    for (let i = 0; i <= bucketsMax; i++) limiter.refuse(asker(`client ${i}`));
    expect([passed(limiter, "client 1", 1), passed(limiter, "client 0", 1)]).toEqual([0, 1]);
  });

  it.each([
    { name: "IPv6 of one /64", a: "2001:db8::1", b: "2001:db8::ffff:1", same: true },
    { name: "IPv6 of two /64", a: "2001:db8::1", b: "2001:db8:0:1::1", same: false },
    { name: "two IPv4", a: "192.0.2.1", b: "192.0.2.2", same: false },
    { name: "IPv4, mapped into IPv6", a: "192.0.2.1", b: "::ffff:192.0.2.1", same: true },
  ])("takes $name for one client: $same", ({ a, b, same }) => {
    expect(clientKey(a) === clientKey(b)).toBe(same);
  });
});

describe.each(["wire", "http-proxy"] as const)("a router with the engine %s", (engine) => {
  const limits = { requestsPerSecondPerClient: 1, burst: 2 };
  const host = { clock: new FakeClock() };

  async function statuses(rig: Rig, target: string): Promise<number[]> {
    const client = await rig.client();
    const seen: number[] = [];
    for (let i = 0; i < 3; i++) {
      client.send(head(`GET ${target} HTTP/1.1`));
      seen.push((await client.answer()).status);
    }
    return seen;
  }

  it("answers 429 over the limit, and never to health checks", async () => {
    await using rig = await Rig.start({ engine, config: { limits }, host });
    expect(await statuses(rig, "/health")).toEqual([200, 200, 200]);
    expect(await statuses(rig, "/")).toEqual([200, 200, 429]);
    expect(rig.backend.requests).toHaveLength(2);
    const client = await rig.client();
    client.send(head("GET / HTTP/1.1"));
    const answer = await client.answer();
    const names = ["x-watershed-reason", "retry-after", "ratelimit-policy", "ratelimit"];
    expect(names.map((name) => answer.header(name))).toEqual([
      "RATE_LIMITED",
      "1",
      '"client";q=2;w=2',
      '"client";r=0;t=1',
    ]);
  });

  it("holds the rates of a route for that route alone, and says so", async () => {
    const rates = [{ name: "search", by: { header: "X-Key" }, requestsPerSecond: 1 }];
    const routes = [
      { name: "search", match: { path: "/search" }, pool: "main", rates },
      { match: { path: "/*" }, pool: "main" },
    ];
    await using rig = await Rig.start({ engine, config: { routes }, host: { clock: new FakeClock() } });
    const asks = () => rig.router.explain(new URLSearchParams({ url: "/search" }));
    const verdict = (left: string) => [{ policy: "rate", verdict: `search: ${left} of 1 left, 1 a second` }];
    expect(asks()).toMatchObject({ reason: "OK" });
    expect(asks()).toMatchObject({ policies: expect.arrayContaining(verdict("1")) });
    expect(await statuses(rig, "/search")).toEqual([200, 429, 429]);
    expect(await statuses(rig, "/")).toEqual([200, 200, 200]);
    expect(asks()).toMatchObject({
      status: 429,
      reason: "RATE_LIMITED",
      policies: expect.arrayContaining(verdict("429: none")),
    });
  });

  it("spares trusted peers that ask for themselves", async () => {
    await using rig = await Rig.start({ engine, config: { limits, trustedProxies: ["127.0.0.0/8"] }, host });
    expect(await statuses(rig, "/")).toEqual([200, 200, 200]);
  });
});
