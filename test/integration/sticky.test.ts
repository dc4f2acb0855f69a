import http from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { Router } from "#l7-router/router.ts";
import { engines } from "#l7-router/engine/registry.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { signCookie } from "#l7-router/policy/sticky-cookie.ts";
import { stickyKeysOf } from "#l7-router/policy/sticky-keys.ts";
import { TestForwarder } from "#test/support/forwarder.ts";
import { testHost } from "#test/support/host.ts";
import { FakeMetrics } from "#test/support/pool.ts";

const zones = ["a", "b"] as const;
const host = "127.83.1.1";

/** A server that says its name. */
async function startServer(name: string, address: string): Promise<{ address: string; server: http.Server }> {
  const server = http.createServer((_request, response) => response.end(name));
  const [at, port] = address.split(":");
  await new Promise<void>((resolve) => server.listen(Number(port), at, resolve));
  return { address, server };
}

/** Two zones of four servers, two forwarders each, and routers in front of them. */
class Region implements AsyncDisposable {
  readonly servers = new Map<string, { address: string; server: http.Server }>();
  readonly forwarders: { zone: string; forwarder: TestForwarder }[] = [];
  readonly routers: Router[] = [];

  static async start(): Promise<Region> {
    const region = new Region();
    for (const zone of zones) {
      // Fixed addresses: which bucket goes where hangs on them.
      for (const i of [1, 2, 3, 4]) {
        const name = `${zone}-${i}`;
        region.servers.set(name, await startServer(name, `127.83.${zone === "a" ? 2 : 3}.${9 + i}:9000`));
      }
      for (let twin = 0; twin < 2; twin++)
        region.forwarders.push({ zone, forwarder: await TestForwarder.start(region.forwarderConfig(zone)) });
    }
    return region;
  }

  forwarderConfig(zone: string, without = ""): Record<string, unknown> {
    const names = [...this.servers.keys()].filter((name) => name.startsWith(zone) && name !== without);
    return {
      listeners: [{ address: `${host}:0`, pool: "api", proxyProtocol: { accept: "v2" } }],
      pools: {
        api: {
          balance: "ip-hash",
          endpoints: names.map((name) => ({ address: this.servers.get(name)?.address, name })),
        },
      },
    };
  }

  /** Of all four forwarders. */
  config(engine: EngineName, zone: string, sticky: Record<string, unknown>): Record<string, unknown> {
    const endpoints = this.forwarders.map(({ zone: at, forwarder }) => ({
      address: forwarder.listener("api").address,
      zone: at,
    }));
    return {
      listeners: [{ address: `${host}:0` }],
      engine,
      zone,
      routes: [{ match: { path: "/*" }, pool: "api" }],
      pools: { api: { endpoints, proxyProtocol: { send: "v2" }, sticky, retries: { attempts: 4 } } },
    };
  }

  async router(engine: EngineName, zone: string, sticky: Record<string, unknown> = { cookie: "ws" }) {
    const metrics = new FakeMetrics();
    const router = new Router(l7RouterSchema.parse(this.config(engine, zone, sticky)), testHost({ metrics }));
    await router.listen();
    this.routers.push(router);
    return { router, metrics };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const router of this.routers) await router.close();
    for (const { forwarder } of this.forwarders) await forwarder[Symbol.asyncDispose]();
    for (const { server } of this.servers.values()) {
      server.closeAllConnections();
      server.close();
    }
  }
}

interface Reply {
  readonly server: string;
  readonly cookies: readonly string[];
}

function ask(router: Router, headers: Record<string, string>, from = "127.83.0.1"): Promise<Reply> {
  const [at = "", port] = (router.addresses[0] ?? "").split(":");
  return new Promise((resolve, reject) => {
    const request = http.get({ host: at, port, headers, localAddress: from, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (body += chunk));
      response.on("end", () => resolve({ server: body, cookies: response.headers["set-cookie"] ?? [] }));
    });
    request.on("error", reject);
  });
}

const { keys } = stickyKeysOf(undefined, testHost().seed);
const nowS = () => Math.floor(Date.now() / 1_000);
const cookieOf = (bucket: number) => `ws=${signCookie("ws", bucket, nowS() + 3_600, keys)}`;
const buckets = Array.from({ length: 256 }, (_, bucket) => bucket);

/** The server of every bucket. */
async function map(router: Router): Promise<string[]> {
  const servers: string[] = [];
  for (const bucket of buckets) servers.push((await ask(router, { cookie: cookieOf(bucket) })).server);
  return servers;
}

describe.each(Object.keys(engines) as EngineName[])("a sticky pool behind the engine %s", (engine) => {
  let region: Region | undefined;
  afterEach(async () => region?.[Symbol.asyncDispose]());

  it("leads one cookie to one server, from any address, by any router of the region, over reload and restart", async () => {
    region = await Region.start();
    const first = await region.router(engine, "a");
    const { server, cookies } = await ask(first.router, {});
    const [cookie = ""] = (cookies[0] ?? "").split(";");
    expect(cookies).toEqual([expect.stringMatching(/^ws=[\w-]{30}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)]);
    const again = { server, cookies: [] };
    expect(await ask(first.router, { cookie })).toEqual(again);
    expect(await ask(first.router, { cookie: `a=b; ${cookie}` }, "127.83.0.2")).toEqual(again);
    const twin = await region.router(engine, "b");
    expect(await ask(twin.router, { cookie }, "127.83.0.3")).toEqual(again);
    await first.router.reload(l7RouterSchema.parse(region.config(engine, "a", { cookie: "ws" })));
    expect(await ask(first.router, { cookie })).toEqual(again);
    await first.router.close();
    const restarted = await region.router(engine, "a");
    expect(await ask(restarted.router, { cookie })).toEqual(again);
    expect(restarted.metrics.value("watershed_http_sticky_total", { pool: "api", by: "kept" })).toBe(1);
  });

  it("gives a new cookie for one that is forged, of another name, or too old", async () => {
    region = await Region.start();
    const { router, metrics } = await region.router(engine, "a");
    const count = (by: string) => metrics.value("watershed_http_sticky_total", { pool: "api", by });
    const good = cookieOf(7);
    const forged = [`${good.slice(0, -1)}${good.endsWith("A") ? "E" : "A"}`, good.slice(0, -2), "ws=x", "ws="];
    forged.push(`ws=${signCookie("other", 7, nowS() + 60, keys)}`);
    for (const cookie of forged) expect((await ask(router, { cookie })).cookies).toHaveLength(1);
    expect((await ask(router, { cookie: `ws=${signCookie("ws", 7, nowS() - 1, keys)}` })).cookies).toHaveLength(1);
    expect([count("forged"), count("expired"), count("kept")]).toEqual([forged.length, 1, 0]);
  });

  it("renews a cookie in the second half of its life, in the same bucket", async () => {
    region = await Region.start();
    const { router } = await region.router(engine, "a");
    const old = `ws=${signCookie("ws", 9, nowS() + 600, keys)}`;
    const { server, cookies } = await ask(router, { cookie: old });
    const [renewed = ""] = (cookies[0] ?? "").split(";");
    expect(renewed).not.toBe(old);
    expect(await ask(router, { cookie: renewed })).toEqual({ server, cookies: [] });
  });

  it("goes by a header or by the client's address where that is wanted, and sets no cookie", async () => {
    region = await Region.start();
    const byHeader = await region.router(engine, "a", { header: "X-User" });
    const users = await Promise.all(["ann", "ann", "ann"].map((user) => ask(byHeader.router, { "x-user": user })));
    expect(new Set(users.map(({ server }) => server)).size).toBe(1);
    const byAddress = await region.router(engine, "b", { clientAddress: true });
    const froms = ["127.83.0.9", "127.83.0.9", "127.83.0.9"];
    const clients = await Promise.all(froms.map((from) => ask(byAddress.router, {}, from)));
    expect(new Set(clients.map(({ server }) => server)).size).toBe(1);
    expect([...users, ...clients].flatMap(({ cookies }) => cookies)).toEqual([]);
    const spread = await Promise.all(Array.from({ length: 40 }, () => ask(byHeader.router, {})));
    expect(new Set(spread.map(({ server }) => server)).size).toBeGreaterThan(4);
  });
});

describe("the users of a sticky pool", () => {
  it("move only with the server, or the forwarder's zone, that goes, and back when it comes", async () => {
    await using region = await Region.start();
    const before = await map((await region.router("wire", "a")).router);
    const shares = [...region.servers.keys()].map((name) => before.filter((server) => server === name).length);
    expect(Math.min(...shares)).toBeGreaterThan(256 / 8 / 2);
    const zoneA = region.forwarders.filter(({ zone }) => zone === "a");
    for (const { forwarder } of zoneA) await forwarder.reload(region.forwarderConfig("a", "a-2"));
    const without = await map((await region.router("wire", "a")).router);
    expect(buckets.filter((i) => before[i] !== without[i])).toEqual(buckets.filter((i) => before[i] === "a-2"));
    for (const { forwarder } of zoneA) await forwarder.reload(region.forwarderConfig("a"));
    expect(await map((await region.router("wire", "b")).router)).toEqual(before);
    // A twin leads to the same server; a zone that is gone moves its own users alone.
    const { router } = await region.router("wire", "a");
    await zoneA[0]?.forwarder[Symbol.asyncDispose]();
    expect(await map(router)).toEqual(before);
    await zoneA[1]?.forwarder[Symbol.asyncDispose]();
    const away = await map(router);
    expect(buckets.filter((i) => before[i] !== away[i])).toEqual(buckets.filter((i) => before[i]?.startsWith("a")));
  });

  it("are explained with bucket, zone and endpoint", async () => {
    await using region = await Region.start();
    const { router } = await region.router("wire", "a");
    const { server } = await ask(router, { cookie: cookieOf(17) });
    const told = router.explain(new URLSearchParams({ url: "/", "header.cookie": cookieOf(17) })) as {
      bucket: number;
      policies: { policy: string; verdict: string }[];
      choice: { zone: string; balance: string };
    };
    expect(told).toMatchObject({ bucket: 17, choice: { zone: server[0], balance: "ip-hash" } });
    expect(told.policies.find(({ policy }) => policy === "sticky")?.verdict).toMatch(
      /^bucket 17 of 256, by its cookie;/,
    );
  });
});
