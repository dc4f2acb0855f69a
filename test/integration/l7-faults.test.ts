import { describe, expect, it, vi } from "vitest";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Router } from "#l7-router/router.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { testHost } from "#test/support/host.ts";
import { FleetServer, HttpLoad } from "#test/support/http-fleet.ts";

// Every time of docs/operating.md a tenth: checks every 100 ms, so an end is seen after 350 ms.
const health = { type: "http", interval: "100ms", timeout: "50ms", fall: 3, rise: 2 };
const inTime = { timeout: 5_000, interval: 20 };

/** A router of zone a under load, before servers that stand in these zones. */
class Stage implements AsyncDisposable {
  readonly servers: readonly FleetServer[];
  readonly router: Router;
  readonly load: HttpLoad;

  private constructor(servers: readonly FleetServer[], router: Router) {
    this.servers = servers;
    this.router = router;
    this.load = new HttpLoad(router.addresses[0] ?? "");
  }

  static async start(engine: EngineName, zones: readonly string[], pool: Record<string, unknown>): Promise<Stage> {
    const servers = await Promise.all(zones.map(() => FleetServer.start()));
    const endpoints = servers.map(({ address }, i) => ({ address, zone: zones[i] }));
    const config = l7RouterSchema.parse({
      listeners: [{ address: "127.0.0.1:0" }],
      engine,
      zone: "a",
      routes: [{ match: {}, pool: "main" }],
      pools: { main: { endpoints, health, retries: { attempts: 3, perTryTimeout: "100ms" }, ...pool } },
    });
    const router = new Router(config, testHost());
    await router.listen();
    await vi.waitUntil(() => router.notReady() === undefined, inTime);
    const stage = new Stage(servers, router);
    await stage.goesOn(400);
    return stage;
  }

  /** Resolves after so many further answers. */
  async goesOn(answers: number): Promise<void> {
    const until = this.load.answered + answers;
    await vi.waitUntil(() => this.load.answered > until, { ...inTime, timeout: 20_000 });
  }

  states(): string[] {
    const [pool] = this.router.pools();
    return pool?.status().endpoints.map(({ state }) => state) ?? [];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.load[Symbol.asyncDispose]();
    await this.router.close();
    for (const server of this.servers) server.crash();
  }
}

describe.each(Object.keys(engines) as EngineName[])("faults under load, engine %s", (engine) => {
  it("a server that crashes: no request fails, and it is seen", async () => {
    await using stage = await Stage.start(engine, ["a", "a", "a"], {});
    stage.servers[0]?.crash();
    await expect.poll(() => stage.states()[0], inTime).toBe("down");
    await stage.goesOn(200);
    expect(stage.load.failures).toEqual([]);
  });

  it("a server that takes requests and never answers: they are answered elsewhere, and the check takes it out", async () => {
    await using stage = await Stage.start(engine, ["a", "a", "a"], {
      retries: { attempts: 3, perTryTimeout: "100ms", budgetPercent: 100 },
    });
    const [ill] = stage.servers;
    if (ill) ill.isMute = true;
    await expect.poll(() => stage.states()[0], inTime).toBe("down");
    const before = ill?.answered;
    await stage.goesOn(200);
    expect(stage.load.failures).toEqual([]);
    expect(ill?.answered).toBe(before);
  });

  it("a zone that is lost: its requests go to the other, none fails, and they come home", async () => {
    await using stage = await Stage.start(engine, ["a", "a", "b"], { panicThreshold: 0 });
    const [one, two, other] = stage.servers as [FleetServer, FleetServer, FleetServer];
    expect(stage.load.shareOf(other)).toBe(0);
    for (const server of [one, two]) server.isMute = true;
    await expect.poll(() => stage.load.shareOf(other), inTime).toBe(1);
    for (const server of [one, two]) server.isMute = false;
    await expect.poll(() => stage.load.shareOf(other), inTime).toBe(0);
    expect(stage.load.failures).toEqual([]);
  });

  it("checks that fail while traffic is fine: panic uses all, no request is lost", async () => {
    await using stage = await Stage.start(engine, ["a", "a", "a"], {});
    for (const server of stage.servers) server.healthStatus = 500;
    await expect.poll(() => [...stage.router.pools()][0]?.status().panic, inTime).toBe(true);
    await expect.poll(() => stage.states(), inTime).toEqual(["down", "down", "down"]);
    await stage.goesOn(400);
    expect(stage.load.failures).toEqual([]);
    for (const server of stage.servers) expect(stage.load.shareOf(server)).toBeGreaterThan(0);
  });

  it.each(["least-response-time", "least-connections", "power-of-two"])(
    "%s: the share of a server that is ten times as slow halves within 5 s, and it is not taken out",
    async (balance) => {
      await using stage = await Stage.start(engine, ["a", "a", "a"], {
        balance,
        retries: { attempts: 3, perTryTimeout: "2s" },
        health: { ...health, timeout: "1s" },
      });
      for (const server of stage.servers) server.delayMs = 5;
      await stage.goesOn(400);
      const [slow] = stage.servers as [FleetServer];
      const before = stage.load.shareOf(slow);
      expect(before).toBeGreaterThan(0.1);
      slow.delayMs = 50;
      await expect.poll(() => stage.load.shareOf(slow), inTime).toBeLessThanOrEqual(before / 2);
      expect(stage.states()).toEqual(["up", "up", "up"]);
      expect(stage.load.failures).toEqual([]);
    },
  );
});
