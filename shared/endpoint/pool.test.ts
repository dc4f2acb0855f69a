import { describe, expect, it } from "vitest";
import type { BalanceName } from "#shared/config/schema/common.ts";
import { UsageError } from "#shared/core/error.ts";
import {
  addressOf,
  drains,
  endpointAt,
  endpointsOf,
  passes,
  pickMany,
  poolConfig,
  quickHealth,
  refuses,
  testPool,
} from "#test/support/pool.ts";

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

  it("that could not be made change nothing, but are shown", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({}), health: quickHealth });
    pool.start();
    await pool.firstRound;
    const detail = "connect to 10.0.0.1:80: EMFILE";
    servers.set(addressOf(1), { passed: false, reason: "CHECK_FAILED", detail, inconclusive: true });
    await clock.advance(60_000);
    expect(pool.status().endpoints).toMatchObject([{ eligible: true, lastCheck: { passed: false, detail } }]);
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
        detail: "connect to 10.0.0.1:80 refused",
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
    expect(status?.lastCheck).toMatchObject({ passed: false, detail: "connect to 10.0.0.1:80 refused" });
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

  it("of the health config before the first round is over leaves that round open", async () => {
    const { pool, clock, servers } = testPool({ endpoints: endpointsOf({}, {}), health: quickHealth });
    servers.set(addressOf(1), "hang");
    pool.start();
    const overAtMs = pool.firstRound.then(() => clock.nowMs());
    await clock.advance(100);
    pool.update(poolConfig({ endpoints: endpointsOf({}, {}), health: { ...quickHealth, fall: 5 } }));
    await clock.advance(1_000);
    expect(await overAtMs).toBe(600);
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

describe("the end of a pool", () => {
  const eligible = (pool: string, number: number) => ({ pool, endpoint: addressOf(number) });

  it("reports its endpoints as removed, and nothing after that", async () => {
    const { pool, clock, events, metrics } = testPool({
      endpoints: endpointsOf({}, {}),
      outlier: { consecutiveFailures: 1, ejectFor: "1s", maxEjectedPercent: 100 },
    });
    pool.start();
    expect(metrics.value("watershed_endpoint_eligible", eligible("web", 1))).toBe(1);
    pool.stop();
    endpointAt(pool, 0).failed(clock.nowMs(), "UPSTREAM_RESET"); // Its last request ends.
    await clock.advance(60_000);
    for (const number of [1, 2]) expect(metrics.value("watershed_endpoint_eligible", eligible("web", number))).toBe(0);
    expect(events.since(0).map(({ type }) => type)).toEqual(["endpoint_removed", "endpoint_removed"]);
  });

  it("leaves to a successor of the same name what that has too", () => {
    const first = testPool({ endpoints: endpointsOf({}, {}) });
    const { events, metrics } = first;
    const successor = testPool({ endpoints: endpointsOf({}) }, { events, metrics }).pool;
    first.pool.start();
    successor.start();
    first.pool.stop(successor);
    expect(metrics.value("watershed_endpoint_eligible", eligible("web", 1))).toBe(1);
    expect(metrics.value("watershed_endpoint_eligible", eligible("web", 2))).toBe(0);
    expect(events.since(0).map(({ data }) => data["endpoint"])).toEqual([addressOf(2)]);
  });

  it("is not told of one that never started", async () => {
    const { pool, events, metrics } = testPool({ endpoints: endpointsOf({}), health: quickHealth });
    metrics.set("watershed_endpoint_eligible", eligible("web", 1), 1); // A live pool of that name said so.
    pool.stop();
    await pool.firstRound;
    expect(events.since(0)).toEqual([]);
    expect(metrics.value("watershed_endpoint_eligible", eligible("web", 1))).toBe(1);
  });
});
