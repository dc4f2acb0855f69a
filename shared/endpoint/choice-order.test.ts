import { describe, expect, it } from "vitest";
import {
  addressOf,
  endpointAt,
  endpointsOf,
  nextOf,
  passes,
  pickMany,
  poolConfig,
  quickHealth,
  refuses,
  testPool,
} from "#test/support/pool.ts";

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

  it("leaves every candidate its own reason: it is why there is panic", async () => {
    const { pool, servers } = testPool({ endpoints: endpointsOf({}, {}, {}, {}, {}), health: quickHealth });
    for (const i of [1, 2, 3]) servers.set(addressOf(i), refuses);
    pool.start();
    await pool.firstRound;
    pool.setEndpointState(addressOf(5), "draining");
    const choice = pool.choose({ hash: 0, tried: [] });
    const { reason, name, candidates } = pool.describe(choice, []);
    expect([reason, name]).toEqual(["PANIC", choice.endpoint?.name]);
    expect(candidates.map((one) => one.reason)).toEqual([
      "CHECK_REFUSED",
      "CHECK_REFUSED",
      "CHECK_REFUSED",
      "OK",
      "DRAINING",
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

describe("endpoints that a reload brings", () => {
  /** A pool whose first endpoints are up or refuse, and then so many more that hang. */
  async function grown(first: readonly ("up" | "refuses")[], hanging: number) {
    const config = (count: number) => ({
      endpoints: endpointsOf(...Array.from({ length: count }, () => ({}))),
      health: quickHealth,
    });
    const { pool, clock, servers } = testPool(config(first.length));
    for (const [i, state] of first.entries()) if (state === "refuses") servers.set(addressOf(i + 1), refuses);
    for (let i = 1; i <= hanging; i++) servers.set(addressOf(first.length + i), "hang");
    pool.start();
    await pool.firstRound;
    pool.update(poolConfig(config(first.length + hanging)));
    return { pool, clock };
  }

  it("are no reason for panic before they were checked", async () => {
    const { pool, clock } = await grown(["up"], 3);
    expect([pool.panic, pool.healthy]).toEqual([false, true]);
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.1:80 OK": 4 });
    await clock.advance(600);
    expect([pool.panic, pool.healthy]).toEqual([true, false]);
  });

  it("wait in panic too", async () => {
    const { pool } = await grown(["up", "refuses", "refuses"], 1);
    expect(pickMany(pool, 3)).toEqual({ "10.0.0.1:80 PANIC": 1, "10.0.0.2:80 PANIC": 1, "10.0.0.3:80 PANIC": 1 });
  });

  it("are used when nobody is eligible", async () => {
    const { pool } = await grown(["refuses"], 1);
    expect(pickMany(pool, 4)).toEqual({ "10.0.0.1:80 PANIC": 2, "10.0.0.2:80 PANIC": 2 });
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

  describe("spill over", () => {
    const zones = endpointsOf({ zone: "a" }, { zone: "a", weight: 3 }, { zone: "b" }, { zone: "b" });
    const shareOf = (picked: Record<string, number>) =>
      Object.entries(picked).reduce((sum, [key, count]) => sum + (key.endsWith("ZONE_FAILOVER") ? count : 0), 0);

    it.each([
      { name: "nothing while the own zone has what it should", below: 70, gone: [] as number[], percent: 0 },
      { name: "nothing while it has enough", below: 70, gone: [1], percent: 0 },
      { name: "what is missing, by weight", below: 50, gone: [2], percent: 50 },
      { name: "the more the more is missing", below: 100, gone: [2], percent: 75 },
      { name: "nothing where it is not configured", below: 0, gone: [2], percent: 0 },
      { name: "nothing when there is nowhere to", below: 100, gone: [2, 3, 4], percent: 0 },
    ])("$name", ({ below, gone, percent }) => {
      const { pool } = testPool({ endpoints: zones, spillOverBelow: below, panicThreshold: 0 }, { zone: "a" });
      for (const i of gone) pool.setEndpointState(addressOf(i), "draining");
      expect(Math.abs(shareOf(pickMany(pool, 2_000)) - 20 * percent)).toBeLessThan(percent === 0 ? 1 : 100);
    });

    it("leaves clients with a place of their own where they are", () => {
      const { pool } = testPool({ endpoints: zones, spillOverBelow: 100, balance: "ip-hash" }, { zone: "a" });
      pool.setEndpointState(addressOf(2), "draining");
      expect(shareOf(pickMany(pool, 200))).toBe(0);
    });

    it("is told with the candidates among whom was chosen", () => {
      const { pool } = testPool({ endpoints: zones, spillOverBelow: 100 }, { zone: "a", random: () => 0 });
      pool.setEndpointState(addressOf(2), "draining");
      const choice = pool.choose({ hash: 0, tried: [] });
      expect(choice.reason).toBe("ZONE_FAILOVER");
      expect(pool.describe(choice, []).candidates.map(({ reason }) => reason)).toEqual([
        "OTHER_ZONE",
        "DRAINING",
        "OK",
        "OK",
      ]);
    });
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
