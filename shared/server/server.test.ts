import { once } from "node:events";
import http from "node:http";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { parseCidr } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import type { AdminPool, AdminState } from "#shared/endpoint/status.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";
import { testHost } from "#test/support/host.ts";
import { trafficCuts } from "#shared/net/cuts.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { Host, Service, ServiceDefinition } from "./service.ts";

interface Config {
  admin: string;
  drain: { holdMs: number; timeoutMs: number };
  greeting: string;
}

/** A pool that remembers what the admin API did to it. */
class FakePool implements AdminPool {
  readonly name = "web";
  state: AdminState = "enabled";
  balance: BalanceName = "round-robin";
  status() {
    return { name: this.name, balance: this.balance, eligible: 1, panic: false, essential: false, endpoints: [] };
  }
  setEndpointState(address: string, state: AdminState): boolean {
    if (address !== "127.0.0.1:80") return false;
    this.state = state;
    return true;
  }
  weight = 1;
  setEndpointWeight(address: string, weight: number): boolean {
    if (address !== "127.0.0.1:80") return false;
    this.weight = weight;
    return true;
  }
  setBalance(balance: BalanceName): void {
    this.balance = balance;
  }
}

class FakeService implements Service<Config> {
  readonly pool = new FakePool();
  greeting = "";
  draining = false;
  ready = true;
  notReady = () => (this.ready ? undefined : "NO_HEALTHY");
  status = () => ({ greeting: this.greeting });
  explain = (query: URLSearchParams) => ({ client: query.get("client") });
  pools = () => [this.pool];
  async reload(config: Config): Promise<void> {
    if (config.greeting === "") throw new UsageError("greeting: must not be empty");
    this.greeting = config.greeting;
  }
  drain(): void {
    this.draining = true;
  }
  async finish(): Promise<void> {}
  async close(): Promise<void> {}
}

let service: FakeService;
let lifecycle: Lifecycle<Config>;
let host: Host;
let nextConfig: Config;
let base: string;

const definition: ServiceDefinition<Config> = {
  name: "fake",
  schema: z.custom<Config>(),
  async start(config) {
    service.greeting = config.greeting;
    return service;
  },
};

beforeEach(async () => {
  service = new FakeService();
  host = testHost();
  nextConfig = { admin: "127.0.0.1:0", drain: { holdMs: 0, timeoutMs: 1_000 }, greeting: "hello" };
  lifecycle = new Lifecycle(definition, host, () => nextConfig);
  await lifecycle.start(nextConfig);
  base = `http://${lifecycle.adminAddress}`;
});
afterEach(() => delete process.env["WATERSHED_ADMIN_TOKEN"]);

const get = (path: string, headers: Record<string, string> = {}) => fetch(base + path, { headers });
const post = (path: string) => fetch(base + path, { method: "POST" });

/** fetch() sets Host itself; this one says what it is told. */
async function statusWithHeaders(headers: Record<string, string>): Promise<number | undefined> {
  const request = http.get(`${base}/status`, { headers });
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  response.resume();
  return response.statusCode;
}

describe("admin API", () => {
  it("says alive, ready, and why not ready", async () => {
    expect((await get("/healthz")).status).toBe(200);
    expect(await (await get("/readyz")).json()).toEqual({ ready: true, reason: "OK" });
    service.ready = false;
    const response = await get("/readyz");
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ ready: false, reason: "NO_HEALTHY" });
  });

  it("shows version, revision, pools and what the service adds", async () => {
    expect(await (await get("/status")).json()).toMatchObject({
      service: "fake",
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      revision: 1,
      state: "ready",
      greeting: "hello",
      pools: [{ name: "web" }],
    });
  });

  it("finds recorded decisions by id", async () => {
    host.decisions.record("abc", { region: "eu-west" });
    expect(await (await get("/decisions/abc")).json()).toEqual({ region: "eu-west" });
    expect((await get("/decisions/other")).status).toBe(404);
  });

  it("drains, enables and disables endpoints, and names what does not exist", async () => {
    expect((await post("/pools/web/endpoints/127.0.0.1:80/drain")).status).toBe(200);
    expect(service.pool.state).toBe("draining");
    expect((await post("/pools/web/endpoints/127.0.0.1:80/disable")).status).toBe(200);
    expect(service.pool.state).toBe("disabled");
    expect((await post("/pools/web/endpoints/127.0.0.1:81/drain")).status).toBe(404);
    expect(await (await post("/pools/wbe/endpoints/127.0.0.1:80/drain")).json()).toEqual({
      error: "there is no pool wbe (known: web)",
    });
    expect((await post("/pools/web/endpoints/127.0.0.1:80/explode")).status).toBe(400);
    expect((await post("/pools/web/endpoints/127.0.0.1:80/constructor")).status).toBe(400);
  });

  it("switches the balance, in JSON or as a bare word, and refuses unknown ones", async () => {
    const put = (body: string) => fetch(`${base}/pools/web/balance`, { method: "PUT", body });
    expect((await put('{"balance":"random"}')).status).toBe(200);
    expect(service.pool.balance).toBe("random");
    expect((await put("ip-hash")).status).toBe(200);
    expect(service.pool.balance).toBe("ip-hash");
    expect((await put("fastest")).status).toBe(400);
    expect((await put("x".repeat(70_000))).status).toBe(413);
  });

  it("reloads, and keeps the old config when the new one is refused", async () => {
    nextConfig = { ...nextConfig, greeting: "good day" };
    expect(await (await post("/reload")).json()).toEqual({ revision: 2 });
    nextConfig = { ...nextConfig, greeting: "" };
    const refused = await post("/reload");
    expect(refused.status).toBe(400);
    expect(await refused.json()).toEqual({ error: "greeting: must not be empty" });
    expect(await (await get("/status")).json()).toMatchObject({
      revision: 2,
      greeting: "good day",
      lastReload: { ok: false, error: "greeting: must not be empty" },
    });
    expect(await (await get("/metrics")).text()).toMatch(/watershed_reloads_total\{result="refused",.*\} 1/);
  });

  it("cuts the node off from peers, says so, and heals it", async () => {
    const cut = (body: unknown) => fetch(`${base}/cuts/eu%2Fl7-1`, { method: "PUT", body: JSON.stringify(body) });
    expect((await cut({ from: ["127.11.0.1", "127.12.0.0/16"] })).status).toBe(200);
    expect(await (await get("/status")).json()).toMatchObject({ cuts: ["eu/l7-1"] });
    expect([trafficCuts.drops("127.12.3.4"), trafficCuts.drops("127.11.0.2")]).toEqual([true, false]);
    expect((await cut({ from: ["0.0.0.0/0"], except: ["127.0.0.0/8"] })).status).toBe(200);
    expect([trafficCuts.drops("127.12.3.4"), trafficCuts.drops("10.0.0.1")]).toEqual([false, true]);
    for (const bad of [{ from: [] }, { from: ["127.0.0.1/8"] }, { from: "all" }, { from: ["::/0"], until: "noon" }, 7])
      expect((await cut(bad)).status, JSON.stringify(bad)).toBe(400);
    expect((await fetch(`${base}/cuts/eu%2Fl7-1`, { method: "DELETE" })).status).toBe(200);
    expect((await fetch(`${base}/cuts/eu%2Fl7-1`, { method: "DELETE" })).status).toBe(404);
    expect(trafficCuts.names).toEqual([]);
  });

  it("answers who is cut off from everybody", async () => {
    trafficCuts.set("all", { from: [parseCidr("0.0.0.0/0")!], except: [] });
    expect((await get("/readyz")).status).toBe(200);
    expect((await fetch(`${base}/cuts/all`, { method: "DELETE" })).status).toBe(200);
  });

  it("says DRAINING at once after a drain", async () => {
    expect((await post("/drain")).status).toBe(200);
    expect(service.draining).toBe(true);
    expect(await (await get("/readyz")).json()).toEqual({ ready: false, reason: "DRAINING" });
  });

  it("lets whoever watches decisions see some that nobody asked for, and no longer than that", async () => {
    const watching = new AbortController();
    const response = await fetch(`${base}/events?watch=decisions`, { signal: watching.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes(": connected")) text += (await reader.read()).value ?? "";
    host.decisions.record(host.decisions.draw(host.clock)!, { region: "eu-west" });
    while (!text.includes('"region":"eu-west"')) text += (await reader.read()).value ?? "";
    watching.abort();
    await expect.poll(() => host.decisions.isWatched).toBe(false);
  });

  it("streams events from the one after Last-Event-ID on", async () => {
    host.events.emit("endpoint_down", { endpoint: "a" });
    host.events.emit("endpoint_up", { endpoint: "a" });
    const response = await get("/events", { "last-event-id": "1" });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\nid: 2") && !text.includes("id: 2\n")) text += (await reader.read()).value ?? "";
    host.events.emit("endpoint_down", { endpoint: "b" });
    while (!text.includes('"endpoint":"b"')) text += (await reader.read()).value ?? "";
    await reader.cancel();
    expect(text).toContain("event: endpoint_up");
    expect(text).not.toContain("id: 1\n");
  });

  it("refuses requests of another site, by Fetch Metadata, Origin and Host", async () => {
    expect(await statusWithHeaders({ "sec-fetch-site": "cross-site" })).toBe(403);
    expect(await statusWithHeaders({ origin: "https://evil.example" })).toBe(403);
    expect(await statusWithHeaders({ host: "rebound.example" })).toBe(403);
    expect(await statusWithHeaders({ "sec-fetch-site": "same-origin", origin: base })).toBe(200);
  });

  it("answers 404 and 400 as JSON", async () => {
    expect(await (await get("/nothing")).json()).toEqual({ error: "there is no GET /nothing" });
  });
});

describe("admin token", () => {
  it("is needed for all but the probes, once it is set", async () => {
    process.env["WATERSHED_ADMIN_TOKEN"] = "s3cret";
    const guarded = new Lifecycle(definition, testHost(), () => nextConfig);
    await guarded.start(nextConfig);
    base = `http://${guarded.adminAddress}`;
    expect((await get("/readyz")).status).toBe(200);
    expect((await get("/status")).status).toBe(401);
    expect((await get("/status", { authorization: "Bearer wrong" })).status).toBe(401);
    expect((await get("/status", { authorization: "Bearer s3cret" })).status).toBe(200);
    expect((await post("/drain")).status).toBe(401);
    expect(service.draining).toBe(false);
  });

  it("is needed to bind anything but loopback", async () => {
    const exposed = new Lifecycle(definition, testHost(), () => nextConfig);
    await expect(exposed.start({ ...nextConfig, admin: "0.0.0.0:0" })).rejects.toThrow("0.0.0.0:0 is not loopback");
  });
});

describe("start", () => {
  it("says which port is taken and leaves nothing open", async () => {
    const second = new Lifecycle(definition, testHost(), () => nextConfig);
    await expect(second.start({ ...nextConfig, admin: lifecycle.adminAddress! })).rejects.toThrow(
      `cannot listen on ${lifecycle.adminAddress} (tcp): the port is already in use`,
    );
  });
});
