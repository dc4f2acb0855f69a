import { describe, expect, it } from "vitest";
import { Rig, head } from "#test/contract/engine/rig.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { RateLimiter, bucketsMax, clientKey } from "./rate-limit.ts";

/** How many of `count` requests at once go on. */
function passed(limiter: RateLimiter, client: string, count: number): number {
  return Array.from({ length: count }, () => limiter.refuse(client)).filter((refused) => !refused).length;
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
    expect(limiter.refuse("192.0.2.1")).toMatchObject({
      status: 429,
      reason: "RATE_LIMITED",
      headers: ["Retry-After", "1", "RateLimit-Policy", '"client";q=5;w=3', "RateLimit", '"client";r=0;t=1'],
    });
  });

  it("keeps over a reload what clients have taken", () => {
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 3 }, new FakeClock());
    passed(limiter, "192.0.2.1", 3);
    limiter.limits = { requestsPerSecondPerClient: 5 };
    expect(passed(limiter, "192.0.2.1", 1)).toBe(0);
  });

  it("forgets the client that it has not seen for longest when its table is full", () => {
    const limiter = new RateLimiter({ requestsPerSecondPerClient: 1 }, new FakeClock());
    for (let i = 0; i <= bucketsMax; i++) limiter.refuse(`client ${i}`);
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

  it("spares trusted peers that ask for themselves", async () => {
    await using rig = await Rig.start({ engine, config: { limits, trustedProxies: ["127.0.0.0/8"] }, host });
    expect(await statuses(rig, "/")).toEqual([200, 200, 200]);
  });
});
