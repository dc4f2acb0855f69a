import { describe, expect, it } from "vitest";
import type { CheckResult } from "#shared/health/check.ts";
import {
  addressOf,
  endpointAt,
  endpointsOf,
  passes,
  pickMany,
  quickHealth,
  refuses,
  testPool,
} from "#test/support/pool.ts";

describe("passive ejection", () => {
  const outlier = { consecutiveFailures: 2, ejectFor: "10s", maxEjectedPercent: 50 };

  it("takes an endpoint out for a time, visibly, and gives it back", async () => {
    const { pool, clock, events } = testPool({ endpoints: endpointsOf({}, {}), outlier });
    const first = endpointAt(pool, 0);
    first.failed(0, "UPSTREAM_RESET");
    first.succeeded(0);
    first.failed(0, "UPSTREAM_RESET");
    expect(first.eligible).toBe(true);
    first.failed(0, "TIMEOUT");
    expect(first).toMatchObject({ eligible: false, reason: "EJECTED" });
    expect(pool.status().endpoints[0]).toMatchObject({ state: "ejected" });
    expect(events.since(0).at(-1)).toMatchObject({ type: "endpoint_ejected", data: { detail: "after TIMEOUT" } });
    await clock.advance(9_999);
    expect(first.eligible).toBe(false);
    await clock.advance(1);
    expect(first.eligible).toBe(true);
  });

  it("never takes more than the cap", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}, {}), outlier });
    for (const endpoint of pool.endpoints) for (let i = 0; i < 5; i++) endpoint.failed(0, "TIMEOUT");
    expect(pool.eligibleCount).toBe(2);
  });

  it("takes out who fails a share of the requests, though never in a row", async () => {
    const { pool, clock, events } = testPool({
      endpoints: endpointsOf({}, {}),
      outlier: { consecutiveFailures: 1_000, errorPercent: 40, requestsMin: 10 },
    });
    await clock.advance(20_000);
    const first = endpointAt(pool, 0);
    const request = (failed: boolean) =>
      failed ? first.failed(clock.nowMs(), "UNHEALTHY") : first.succeeded(clock.nowMs());
    for (const failed of [false, true, false, true, false, true, false, true, false]) request(failed);
    expect(first.eligible).toBe(true); // nine requests say nothing
    request(true);
    expect(first.reason).toBe("EJECTED");
    expect(events.since(0).at(-1)).toMatchObject({ data: { detail: "after 5 of 10 requests failed" } });
  });

  it("forgets the failures of the window before", async () => {
    const { pool, clock } = testPool({
      endpoints: endpointsOf({}, {}),
      outlier: { consecutiveFailures: 1_000, errorPercent: 50, requestsMin: 4, window: "10s" },
    });
    const first = endpointAt(pool, 0);
    await clock.advance(20_000);
    for (let i = 0; i < 3; i++) first.failed(clock.nowMs(), "UNHEALTHY");
    await clock.advance(10_000);
    for (let i = 0; i < 3; i++) first.succeeded(clock.nowMs());
    first.failed(clock.nowMs(), "UNHEALTHY");
    expect(first.eligible).toBe(true);
  });

  it("takes out who is many times slower than the others, once a window is over", async () => {
    const { pool, clock, events } = testPool({
      endpoints: endpointsOf({}, {}, {}),
      outlier: { slowerThan: 5, requestsMin: 3, window: "1s" },
    });
    await clock.advance(5_000);
    const answer = (times: number) => {
      for (let i = 0; i < times; i++)
        for (const [at, endpoint] of pool.endpoints.entries())
          endpoint.observeLatency(at === 2 ? 100 : 10, clock.nowMs());
    };
    answer(3);
    expect(pool.eligibleCount).toBe(3);
    await clock.advance(1_000);
    answer(1);
    expect(pool.endpoints.map(({ eligible }) => eligible)).toEqual([true, true, false]);
    expect(events.since(0).at(-1)).toMatchObject({
      data: { detail: "after 100.0 ms on average, others 10.0 ms" },
    });
  });

  it("takes nobody out for slowness when all are slow, or when it cannot be spared", async () => {
    for (const { slow, maxEjectedPercent } of [
      { slow: [100, 100, 100], maxEjectedPercent: 100 },
      { slow: [10, 10, 100], maxEjectedPercent: 20 },
    ]) {
      const outlier = { slowerThan: 5, requestsMin: 1, window: "1s", maxEjectedPercent };
      const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}, {}), outlier });
      for (let i = 0; i < 5; i++) {
        await clock.advance(1_000);
        for (const [at, endpoint] of pool.endpoints.entries()) endpoint.observeLatency(slow[at] ?? 0, clock.nowMs());
      }
      expect(pool.eligibleCount).toBe(3);
    }
  });

  it("does nothing where it is not configured", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}) });
    for (let i = 0; i < 100; i++) endpointAt(pool, 0).failed(0, "TIMEOUT");
    expect(pool.eligibleCount).toBe(2);
  });
});

describe("an operator's enable", () => {
  it("ends the hold of an endpoint that flapped: `rise` checks bring it back", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({}), health: quickHealth });
    const only = endpointAt(pool, 0);
    pool.start();
    const during = (result: CheckResult, seconds: number) => {
      servers.set(only.id, result);
      return clock.advance(seconds * 1_000);
    };
    await during(passes, 5);
    for (let fall = 1; fall <= 3; fall++) {
      await during(refuses, 4);
      expect(only.eligible).toBe(false);
      await during(passes, 5);
      expect(only.eligible).toBe(fall < 3);
    }
    expect(pool.status().endpoints[0]?.reason).toBe("CHECK_REFUSED");
    pool.setEndpointState(only.id, "enabled");
    await clock.advance(2_000);
    expect(only.eligible).toBe(true);
    pool.stop();
  });
});

describe("slow start", () => {
  it("lets the weight of an endpoint that came back grow in a straight line", async () => {
    const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}), balance: "weighted", slowStart: "10s" });
    pool.setEndpointState(addressOf(1), "draining");
    expect(pool.endpoints.map(({ weight }) => weight)).toEqual([1, 1]);
    pool.setEndpointState(addressOf(1), "enabled");
    const weights: number[] = [];
    for (let second = 0; second <= 11; second++) {
      weights.push(endpointAt(pool, 0).weight);
      await clock.advance(1_000);
    }
    expect(weights).toEqual([0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1]);
    expect(clock.pendingCount).toBe(0);
  });

  it("reaches the picker while it lasts", async () => {
    const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}), balance: "weighted", slowStart: "10s" });
    pool.setEndpointState(addressOf(1), "disabled");
    pool.setEndpointState(addressOf(1), "enabled");
    await clock.advance(2_500);
    expect(pickMany(pool, 100)[`${addressOf(1)} OK`]).toBe(20);
    await clock.advance(10_000);
    expect(pickMany(pool, 100)[`${addressOf(1)} OK`]).toBe(50);
  });

  it("moves the borders of a consistent hash with it", async () => {
    const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}), balance: "ip-hash", slowStart: "10s" });
    pool.setEndpointState(addressOf(1), "disabled");
    pool.setEndpointState(addressOf(1), "enabled");
    const shares: number[] = [];
    for (let step = 0; step < 3; step++) {
      shares.push(pickMany(pool, 65_537)[`${addressOf(1)} OK`] ?? 0);
      await clock.advance(5_000);
    }
    // 0.1 of 1.1, 0.5 of 1.5 and 1 of 2: the hashes 0..65536 meet every slot of the table once.
    expect(shares.map((share) => Math.round((share / 65_537) * 100))).toEqual([9, 33, 50]);
  });

  it("does not slow down the first start", async () => {
    const { pool } = testPool({ endpoints: endpointsOf({}), health: quickHealth, slowStart: "10s" });
    pool.start();
    await pool.firstRound;
    expect(endpointAt(pool, 0).weight).toBe(1);
  });
});
