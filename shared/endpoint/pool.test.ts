import { describe, expect, it } from "vitest";
import type { BalanceName } from "#shared/config/schema/common.ts";
import { UsageError } from "#shared/core/error.ts";
import { drains, endpointAt, passes, poolConfig, quickHealth, refuses, testPool } from "#test/support/pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool } from "./pool.ts";

/** Endpoints 10.0.0.1:80, 10.0.0.2:80 ..., each with the extra keys given. */
function endpointsOf(...extras: Record<string, unknown>[]) {
  return extras.map((extra, i) => ({ address: `10.0.0.${i + 1}:80`, ...extra }));
}

const addressOf = (number: number) => `10.0.0.${number}:80`;

function pickMany(pool: Pool, times: number, tried: readonly Endpoint[] = []): Record<string, number> {
  const picks: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { endpoint, reason } = pool.choose({ hash: i, tried });
    const key = `${endpoint?.id ?? "nobody"} ${reason}`;
    picks[key] = (picks[key] ?? 0) + 1;
  }
  return picks;
}

/** Who is chosen, one after the other. */
function nextOf(pool: Pool, times: number): (string | undefined)[] {
  return Array.from({ length: times }, () => pool.choose({ hash: 0, tried: [] }).endpoint?.id);
}

describe("a pool without checks", () => {
  it("takes every endpoint for up, and its first round is over", async () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}) });
    pool.start();
    await pool.firstRound;
    expect([pool.eligibleCount, pool.healthy, pool.panic]).toEqual([2, true, false]);
    expect(pickMany(pool, 10)).toEqual({ "10.0.0.1:80 OK": 5, "10.0.0.2:80 OK": 5 });
  });

  it("says NO_ENDPOINT when it has none", () => {
    const { pool } = testPool({ endpoints: [] });
    expect(pool.choose({ hash: 0, tried: [] })).toEqual({ endpoint: undefined, reason: "NO_ENDPOINT" });
    expect(pool.healthy).toBe(false);
  });
});

describe("checks of a pool", () => {
  it("decide who is eligible: three failures down, two passes up", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({}, {}, {}), health: quickHealth });
    servers.set(addressOf(2), refuses);
    pool.start();
    await pool.firstRound;
    expect(pool.endpoints.map(({ eligible, reason }) => [eligible, reason])).toEqual([
      [true, "OK"],
      [false, "CHECK_REFUSED"],
      [true, "OK"],
    ]);
    expect(pickMany(pool, 10)).toEqual({ "10.0.0.1:80 OK": 5, "10.0.0.3:80 OK": 5 });
    servers.set(addressOf(1), "hang");
    servers.set(addressOf(2), passes);
    await clock.advance(4_000);
    expect(pool.endpoints.map(({ eligible }) => eligible)).toEqual([false, true, true]);
  });

  it("have not been made at first: nobody is eligible, all are used, and no panic is told", async () => {
    const { pool, events } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    expect(pool.status().endpoints.map(({ state, reason }) => [state, reason])).toEqual([
      ["unknown", "STARTING"],
      ["unknown", "STARTING"],
    ]);
    expect(pickMany(pool, 2)).toEqual({ "10.0.0.1:80 PANIC": 1, "10.0.0.2:80 PANIC": 1 });
    pool.start();
    await pool.firstRound;
    expect(events.since(0).map(({ type }) => type)).toEqual(["endpoint_up", "endpoint_up"]);
  });

  it("end with the pool, and so do its timers", async () => {
    const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    pool.start();
    await clock.advance(5_000);
    pool.stop();
    expect(clock.pendingCount).toBe(0);
  });

  it("that say DRAINING take an endpoint out at once, though in panic too", async () => {
    const { pool, clock, servers, events } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    pool.start();
    await pool.firstRound;
    servers.set(addressOf(1), drains);
    servers.set(addressOf(2), drains);
    await clock.advance(1_200);
    expect(pool.status().endpoints.map(({ state }) => state)).toEqual(["draining", "draining"]);
    expect(pool.choose({ hash: 0, tried: [] }).reason).toBe("NO_HEALTHY");
    expect(events.since(0).at(-1)).toMatchObject({ type: "endpoint_draining", data: { reason: "DRAINING" } });
  });

  it("say nothing while the event loop stalls", async () => {
    const { pool, clock } = testPool({ endpoints: endpointsOf({}, {}), health: { ...quickHealth, fall: 1 } });
    pool.start();
    await clock.advance(3_000);
    for (let i = 0; i < 5; i++) await clock.stall(2_000);
    expect(pool.eligibleCount).toBe(2);
  });
});

describe("eligibility is told", () => {
  it("to events, metrics and listeners, once at each edge", async () => {
    const { pool, clock, servers, events, metrics } = testPool({
      endpoints: endpointsOf({ name: "web-1", zone: "a" }, {}),
      health: quickHealth,
    });
    pool.start();
    await pool.firstRound;
    let changes = 0;
    let ineligible = 0;
    pool.onChange(() => void changes++);
    endpointAt(pool, 0).onIneligible(() => void ineligible++);
    const from = events.since(0).length;
    servers.set(addressOf(1), refuses);
    await clock.advance(8_000);
    expect(events.since(from).map(({ type, data }) => ({ type, ...data }))).toEqual([
      {
        type: "endpoint_down",
        pool: "web",
        endpoint: addressOf(1),
        name: "web-1",
        zone: "a",
        reason: "CHECK_REFUSED",
        detail: "connect ECONNREFUSED",
      },
    ]);
    expect([changes, ineligible]).toEqual([1, 1]);
    const labels = { pool: "web", endpoint: addressOf(1) };
    expect(metrics.value("watershed_endpoint_eligible", labels)).toBe(0);
    expect(metrics.value("watershed_endpoint_changes_total", { pool: "web", reason: "CHECK_REFUSED" })).toBe(1);
    expect(metrics.value("watershed_health_checks_total", { pool: "web", result: "CHECK_REFUSED" })).toBeGreaterThan(5);
    servers.set(addressOf(1), passes);
    await clock.advance(3_000);
    expect(metrics.value("watershed_endpoint_eligible", labels)).toBe(1);
    expect([changes, ineligible]).toEqual([2, 1]);
  });

  it("in status, with moments of the wall clock", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({ weight: 3 }), health: quickHealth });
    servers.set(addressOf(1), refuses);
    pool.start();
    await clock.advance(60_000);
    endpointAt(pool, 0).begin();
    const status = pool.status().endpoints[0];
    expect(status).toMatchObject({ state: "down", eligible: false, active: 1, weight: 3, latencyMs: null, zone: null });
    expect(status?.lastCheck).toMatchObject({ passed: false, detail: "connect ECONNREFUSED" });
    const downForMs = Date.now() - Date.parse(status?.since ?? "");
    expect(downForMs).toBeGreaterThanOrEqual(59_900);
    expect(downForMs).toBeLessThan(70_000);
    expect(Date.now() - Date.parse(status?.lastCheck?.at ?? "")).toBeLessThan(10_000);
  });
});

describe("the operator", () => {
  it.each([
    { state: "draining", reason: "DRAINING" },
    { state: "disabled", reason: "DISABLED" },
  ] as const)("takes an endpoint out, $state, and back in", ({ state, reason }) => {
    const { pool, events } = testPool({ endpoints: endpointsOf({}, {}) });
    expect(pool.setEndpointState(addressOf(1), state)).toBe(true);
    expect(pool.endpoints[0]).toMatchObject({ eligible: false, reason });
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.2:80 OK": 4 });
    expect(pool.setEndpointState(addressOf(1), "enabled")).toBe(true);
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.1:80 OK": 2, "10.0.0.2:80 OK": 2 });
    expect(events.since(0).map(({ type }) => type)).toEqual([`endpoint_${state}`, "endpoint_up"]);
  });

  it("has the last word, panic or not: with everybody drained there is nobody", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}) });
    pool.setEndpointState(addressOf(1), "draining");
    expect([pool.panic, pool.healthy]).toEqual([false, true]);
    pool.setEndpointState(addressOf(2), "disabled");
    expect(pool.choose({ hash: 0, tried: [] })).toEqual({ endpoint: undefined, reason: "NO_HEALTHY" });
    expect([pool.panic, pool.healthy]).toEqual([false, false]);
  });

  it("is told that there is no such endpoint or balance", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}) });
    expect(pool.setEndpointState("10.9.9.9:80", "draining")).toBe(false);
    const unknown: string = "fastest";
    expect(() => pool.setBalance(unknown as BalanceName)).toThrow(UsageError);
  });
});

describe("panic", () => {
  const all = Object.fromEntries([1, 2, 3, 4].map((i) => [`${addressOf(i)} PANIC`, 3]));
  it.each([
    {
      name: "half of them down is not below the threshold",
      down: 2,
      threshold: 50,
      picks: { "10.0.0.3:80 OK": 6, "10.0.0.4:80 OK": 6 },
    },
    { name: "more than half down is", down: 3, threshold: 50, picks: all },
    { name: "all down is", down: 4, threshold: 50, picks: all },
    { name: "one of four up is enough at 25 %", down: 3, threshold: 25, picks: { "10.0.0.4:80 OK": 12 } },
    { name: "all down is no panic at 0 %", down: 4, threshold: 0, picks: { "nobody NO_HEALTHY": 12 } },
  ])("$name", async ({ down, threshold, picks }) => {
    const { pool, servers } = testPool({
      endpoints: endpointsOf({}, {}, {}, {}),
      health: quickHealth,
      panicThreshold: threshold,
    });
    for (let i = 1; i <= down; i++) servers.set(addressOf(i), refuses);
    pool.start();
    await pool.firstRound;
    expect(pickMany(pool, 12)).toEqual(picks);
    expect(pool.panic).toBe(picks === all);
    expect(pool.healthy).toBe(picks !== all && down < 4);
  });

  it("is told once when it begins and once when it is over", async () => {
    const { pool, clock, servers, events } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    pool.start();
    await pool.firstRound;
    servers.set(addressOf(1), refuses);
    servers.set(addressOf(2), refuses);
    await clock.advance(5_000);
    servers.set(addressOf(1), passes);
    await clock.advance(5_000);
    const told = events.since(0).filter(({ type }) => type.startsWith("pool_"));
    expect(told.map(({ type, data }) => [type, data["eligible"]])).toEqual([
      ["pool_panic", 0],
      ["pool_panic_over", 1],
    ]);
  });

  it("tries an endpoint that is up before a second one that is down", async () => {
    const { pool, servers } = testPool({ endpoints: endpointsOf({}, {}, {}, {}), health: quickHealth });
    for (const i of [1, 2, 3]) servers.set(addressOf(i), refuses);
    pool.start();
    await pool.firstRound;
    expect(pickMany(pool, 5, [endpointAt(pool, 0)])).toEqual({ "10.0.0.4:80 PANIC": 5 });
    expect(pickMany(pool, 4, [endpointAt(pool, 0), endpointAt(pool, 3)])).toEqual({
      "10.0.0.2:80 PANIC": 2,
      "10.0.0.3:80 PANIC": 2,
    });
  });
});

describe("zones", () => {
  const zones = endpointsOf({ zone: "a" }, { zone: "a" }, { zone: "b" }, { zone: "b" });

  it("are one to a node without a zone", () => {
    const { pool } = testPool({ endpoints: zones });
    expect(Object.values(pickMany(pool, 8))).toEqual([2, 2, 2, 2]);
  });

  it("the own one is preferred, the others are taken when nobody is left in it", () => {
    const { pool } = testPool({ endpoints: zones }, { zone: "b" });
    expect(pickMany(pool, 8)).toEqual({ "10.0.0.3:80 OK": 4, "10.0.0.4:80 OK": 4 });
    pool.setEndpointState(addressOf(3), "draining");
    expect(pickMany(pool, 8)).toEqual({ "10.0.0.4:80 OK": 8 });
    pool.setEndpointState(addressOf(4), "draining");
    expect(pickMany(pool, 8)).toEqual({ "10.0.0.1:80 ZONE_FAILOVER": 4, "10.0.0.2:80 ZONE_FAILOVER": 4 });
  });

  it("another one is no failover where the own one never had an endpoint", () => {
    const { pool } = testPool({ endpoints: zones }, { zone: "c" });
    expect(Object.keys(pickMany(pool, 8)).every((key) => key.endsWith(" OK"))).toBe(true);
  });

  it.each([
    { name: "a node without a zone", zone: undefined },
    { name: "a node in the zone that failed", zone: "a" },
  ])("a retry of $name goes to another one, then back", ({ zone }) => {
    const { pool } = testPool({ endpoints: zones }, { zone });
    const first = endpointAt(pool, 0);
    const second = endpointAt(pool, 1);
    const third = endpointAt(pool, 2);
    const fourth = endpointAt(pool, 3);
    expect(pickMany(pool, 4, [first])).toEqual({ "10.0.0.3:80 ZONE_FAILOVER": 2, "10.0.0.4:80 ZONE_FAILOVER": 2 });
    expect(pool.choose({ hash: 0, tried: [first, third] }).endpoint).toBe(second);
    expect(pool.choose({ hash: 0, tried: [first, third, fourth] }).endpoint).toBe(second);
    expect(pool.choose({ hash: 0, tried: [first, second, third, fourth] }).endpoint).toBeUndefined();
  });

  it("a retry stays in the zone when it is the only one", () => {
    const { pool } = testPool({ endpoints: endpointsOf({ zone: "a" }, { zone: "a" }) });
    expect(pickMany(pool, 2, [endpointAt(pool, 0)])).toEqual({ "10.0.0.2:80 OK": 2 });
  });
});

describe("backups", () => {
  const withBackup = endpointsOf({}, {}, { backup: true });

  it("wait until no other endpoint is eligible; that is no panic", () => {
    const { pool } = testPool({ endpoints: withBackup });
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.1:80 OK": 2, "10.0.0.2:80 OK": 2 });
    pool.setEndpointState(addressOf(1), "disabled");
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.2:80 OK": 4 });
    pool.setEndpointState(addressOf(2), "disabled");
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.3:80 BACKUP": 4 });
    expect([pool.panic, pool.healthy]).toEqual([false, true]);
  });

  it("serve, without panic, when checks take the others out", async () => {
    const { pool, servers } = testPool({ endpoints: withBackup, health: quickHealth });
    servers.set(addressOf(1), refuses);
    servers.set(addressOf(2), refuses);
    pool.start();
    await pool.firstRound;
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.3:80 BACKUP": 4 });
    expect([pool.panic, pool.healthy]).toEqual([false, true]);
  });

  it("are the last that a retry asks", () => {
    const { pool } = testPool({ endpoints: withBackup });
    const first = endpointAt(pool, 0);
    const second = endpointAt(pool, 1);
    expect(pickMany(pool, 2, [first])).toEqual({ "10.0.0.2:80 OK": 2 });
    expect(pickMany(pool, 2, [first, second])).toEqual({ "10.0.0.3:80 BACKUP": 2 });
  });
});

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

  it("does nothing where it is not configured", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}) });
    for (let i = 0; i < 100; i++) endpointAt(pool, 0).failed(0, "TIMEOUT");
    expect(pool.eligibleCount).toBe(2);
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

describe("a look ahead", () => {
  it.each(["round-robin", "weighted"] as const)("shows the next choice and leaves it so: %s", (balance) => {
    const { pool } = testPool({ endpoints: endpointsOf({ weight: 2 }, {}, {}), balance });
    for (let i = 0; i < 20; i++) {
      const seen = pool.choose({ hash: 0, tried: [], peek: true });
      expect(pool.choose({ hash: 0, tried: [], peek: true })).toEqual(seen);
      expect(pool.choose({ hash: 0, tried: [] })).toEqual(seen);
    }
    const looked = testPool({ endpoints: endpointsOf({ weight: 2 }, {}, {}), balance }).pool;
    looked.choose({ hash: 0, tried: [], peek: true });
    const untouched = testPool({ endpoints: endpointsOf({ weight: 2 }, {}, {}), balance }).pool;
    expect(nextOf(looked, 8)).toEqual(nextOf(untouched, 8));
  });

  it("is forgotten when who was seen is no longer eligible", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}) });
    const seen = pool.choose({ hash: 0, tried: [], peek: true }).endpoint;
    pool.setEndpointState(seen?.id ?? "", "draining");
    expect(pool.choose({ hash: 0, tried: [] }).endpoint).not.toBe(seen);
  });
});

describe("a described choice", () => {
  it("says of every candidate why it was not taken", () => {
    const { pool } = testPool(
      {
        endpoints: endpointsOf(
          { zone: "a", name: "a-1" },
          { zone: "a" },
          { zone: "a" },
          { zone: "b" },
          { zone: "a", backup: true },
        ),
      },
      { zone: "a" },
    );
    pool.setEndpointState(addressOf(2), "draining");
    const choice = pool.choose({ hash: 0, tried: [] });
    const described = pool.describe(choice, []);
    expect(described).toMatchObject({ pool: "web", balance: "round-robin", zone: "a", reason: "OK", active: 0 });
    expect(described.address).toBe(choice.endpoint?.id);
    expect(described.candidates.map(({ reason }) => reason)).toEqual(["OK", "DRAINING", "OK", "OTHER_ZONE", "BACKUP"]);
    expect(described.candidates.filter(({ picked }) => picked).map(({ address }) => address)).toEqual([
      choice.endpoint?.id,
    ]);
    const tried = [endpointAt(pool, 0)];
    const retry = pool.describe(pool.choose({ hash: 0, tried }), tried);
    expect(retry).toMatchObject({ address: addressOf(4), reason: "ZONE_FAILOVER" });
    expect(retry.candidates[0]).toMatchObject({ name: "a-1", reason: "ALREADY_TRIED", picked: false });
  });

  it("has no address when there was nobody", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}) });
    pool.setEndpointState(addressOf(1), "disabled");
    const described = pool.describe(pool.choose({ hash: 0, tried: [] }), []);
    expect(described).toMatchObject({ address: null, name: null, reason: "NO_HEALTHY" });
    expect(described.candidates).toMatchObject([{ reason: "DISABLED", picked: false }]);
  });
});

describe("another balance for one choice", () => {
  it("keeps its own turns", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}, {}, {}), balance: "ip-hash" });
    const own = () => pool.choose({ hash: 7, tried: [] }).endpoint?.id;
    const turn = () => pool.choose({ hash: 7, tried: [], balance: "round-robin" }).endpoint?.id;
    const owns = new Set<string | undefined>();
    const turns = new Set<string | undefined>();
    for (let i = 0; i < 3; i++) {
      owns.add(own());
      turns.add(turn());
    }
    expect([owns.size, turns.size]).toEqual([1, 3]);
  });
});

describe("a reload", () => {
  it("keeps health, counts, latency and admin state of endpoints that stay", async () => {
    const base = { health: quickHealth };
    const { pool, servers } = testPool({ ...base, endpoints: endpointsOf({}, {}, {}) });
    servers.set(addressOf(2), refuses);
    pool.start();
    await pool.firstRound;
    const first = endpointAt(pool, 0);
    const second = endpointAt(pool, 1);
    const third = endpointAt(pool, 2);
    first.begin();
    first.observeLatency(20, 0);
    pool.setEndpointState(addressOf(3), "draining");
    pool.update(poolConfig({ ...base, endpoints: endpointsOf({ weight: 7, name: "one" }, {}, {}, {}) }));
    expect(pool.endpoints.slice(0, 3)).toEqual([first, second, third]);
    expect(first).toMatchObject({ active: 1, weight: 7, name: "one", eligible: true });
    expect(first.latencyMs(0)).toBe(20);
    expect(pool.endpoints.map(({ reason }) => reason)).toEqual(["OK", "CHECK_REFUSED", "DRAINING", "STARTING"]);
  });

  it("tells an endpoint that leaves, and checks one that comes at once", async () => {
    const base = { health: quickHealth };
    const { pool, clock, events, metrics } = testPool({ ...base, endpoints: endpointsOf({}, {}) });
    pool.start();
    await pool.firstRound;
    const gone = endpointAt(pool, 0);
    let told = 0;
    gone.onIneligible(() => void told++);
    pool.update(poolConfig({ ...base, endpoints: endpointsOf({}, {}, {}).slice(1) }));
    expect([told, gone.eligible]).toEqual([1, false]);
    await clock.advance(0);
    expect(pool.endpoints.map(({ id, eligible }) => [id, eligible])).toEqual([
      [addressOf(2), true],
      [addressOf(3), true],
    ]);
    expect(metrics.value("watershed_endpoint_eligible", { pool: "web", endpoint: addressOf(1) })).toBe(0);
    expect(events.since(0).map(({ type }) => type)).toContain("endpoint_removed");
  });

  it("of the health config checks anew without taking anybody out", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    pool.start();
    await pool.firstRound;
    const ineligible: string[] = [];
    for (const endpoint of pool.endpoints) endpoint.onIneligible(() => void ineligible.push(endpoint.id));
    pool.update(poolConfig({ endpoints: endpointsOf({}, {}), health: { ...quickHealth, fall: 5 } }));
    servers.set(addressOf(1), refuses);
    await clock.advance(3_400);
    expect(ineligible).toEqual([]);
    await clock.advance(3_000);
    expect(ineligible).toEqual([addressOf(1)]);
  });

  it("that ends checks takes everybody for up; one that begins them takes nobody out", async () => {
    const { pool, servers } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    servers.set(addressOf(1), refuses);
    pool.start();
    await pool.firstRound;
    pool.update(poolConfig({ endpoints: endpointsOf({}, {}) }));
    expect(pool.eligibleCount).toBe(2);
    pool.update(poolConfig({ endpoints: endpointsOf({}, {}), health: quickHealth }));
    expect(pool.eligibleCount).toBe(2);
  });

  it("leaves a balance that the operator set until the config's own changes", () => {
    const config = (balance: string) => poolConfig({ endpoints: endpointsOf({}), balance });
    const { pool } = testPool({ endpoints: endpointsOf({}), balance: "random" });
    pool.setBalance("ip-hash");
    pool.update(config("random"));
    expect(pool.status().balance).toBe("ip-hash");
    pool.update(config("weighted"));
    expect(pool.status().balance).toBe("weighted");
  });
});
