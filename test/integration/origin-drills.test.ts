import { once } from "node:events";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { OriginService } from "#origin/service.ts";
import { testHost } from "#test/support/host.ts";
import { connect, originConfig, socketAddress, startOrigin } from "#test/support/origin.ts";

const webs = ["web-1", "web-2", "web-3"].map((name) => ({ name, service: "web" }));
const status = async (url: string) => (await fetch(url)).status;
const codeOf = (error: unknown) => (error as { code?: string }).code;

/** Requests whose answers are noted in the order in which they come. */
function race(requests: Readonly<Record<string, string>>): { order: string[]; all: Promise<unknown> } {
  const order: string[] = [];
  const all = Promise.all(
    Object.entries(requests).map(async ([name, url]) => {
      const response = await fetch(url);
      order.push(`${name} ${response.status}`);
    }),
  );
  return { order, all };
}

describe("a stopped server", () => {
  it("refuses connections and resets those that are open, alone", async () => {
    await using origin = await startOrigin(webs);
    const socket = await connect(origin.addressOf("web-1"));
    const reset = once(socket, "error");
    expect((await origin.post("/servers/web-1/stop")).status).toBe(200);
    expect(codeOf((await reset)[0])).toBe("ECONNRESET");
    await expect(connect(origin.addressOf("web-1"))).rejects.toMatchObject({ reason: "CONNECT_FAILED" });
    expect(await status(origin.url("web-2", "/health"))).toBe(200);
    expect((await origin.get("/servers/web-1")).body).toMatchObject({ state: "stopped", connections: 0 });
  });

  it("has its old address once it is healed", async () => {
    await using origin = await startOrigin(webs);
    const address = origin.addressOf("web-1");
    await origin.post("/servers/web-1/stop");
    await origin.post("/servers/web-1/heal");
    expect(origin.addressOf("web-1")).toBe(address);
    expect(await status(origin.url("web-1", "/health"))).toBe(200);
  });

  it("stays stopped, with a word why, if its port was taken meanwhile", async () => {
    await using origin = await startOrigin(webs);
    const address = origin.addressOf("web-1");
    await origin.post("/servers/web-1/stop");
    await using thief = await startOrigin([{ name: "thief", service: "web", address }]);
    const answer = await origin.post("/servers/web-1/heal");
    expect(answer.status).toBe(400);
    expect(answer.body).toContain(`cannot listen on ${address}`);
    expect((await origin.get("/servers/web-1")).body).toMatchObject({ state: "stopped" });
    expect(await status(thief.url("thief", "/health"))).toBe(200);
  });
});

describe("a hung server", () => {
  it("takes connections and requests, also on open connections, and answers once it is healed", async () => {
    await using origin = await startOrigin(webs);
    const socket = await connect(origin.addressOf("web-1"));
    let answers = "";
    socket.on("data", (chunk: Buffer) => (answers += chunk.toString()));
    await origin.post("/servers/web-1/hang");
    await new Promise((resolve) => socket.write("GET /health HTTP/1.1\r\nHost: x\r\n\r\n", resolve));
    const { order, all } = race({
      page: origin.url("web-1", "/"),
      check: origin.url("web-1", "/health"),
    });
    // Two rounds of a healthy neighbour are long enough for an answer that should not come.
    for (let i = 0; i < 2; i++) expect(await status(origin.url("web-2", "/"))).toBe(200);
    expect(order).toEqual([]);
    expect(answers).toBe("");
    expect((await origin.get("/servers/web-1")).body).toMatchObject({ state: "hung" });
    await origin.post("/servers/web-1/heal");
    await all;
    expect(order.toSorted()).toEqual(["check 200", "page 200"]);
    await expect.poll(() => answers).toContain('{"status":"ok"}');
    socket.destroy();
  });

  it("cuts off who floods it with requests on one connection", async () => {
    await using origin = await startOrigin(webs);
    await origin.post("/servers/web-1/hang");
    const socket = await connect(origin.addressOf("web-1"));
    const reset = once(socket, "error");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(65));
    expect(codeOf((await reset)[0])).toBe("ECONNRESET");
  });

  it("hangs in its streams, too", async () => {
    await using origin = await startOrigin(webs);
    const client = new WebSocket(`ws://${origin.addressOf("web-1")}/ws`);
    await once(client, "open");
    const order: string[] = [];
    client.on("message", (data: Buffer) => order.push(data.toString()));
    await origin.post("/servers/web-1/hang");
    client.send("first");
    expect(await status(origin.url("web-2", "/"))).toBe(200);
    order.push("healed");
    await origin.post("/servers/web-1/heal");
    client.send("second");
    await expect.poll(() => order).toEqual(["healed", "first", "second"]);
    client.terminate();
  });
});

describe("a slow server", () => {
  it("answers as much later as it was told, health checks too", async () => {
    await using origin = await startOrigin(webs);
    await origin.post("/servers/web-1/slow?delay=150ms");
    await origin.post("/servers/web-3/slow?delay=60s");
    const beganMs = performance.now();
    const { order, all } = race({
      slow: origin.url("web-1", "/health"),
      slowest: origin.url("web-3", "/health"),
      fast: origin.url("web-2", "/health"),
    });
    await expect.poll(() => order).toEqual(["fast 200", "slow 200"]);
    expect(performance.now() - beganMs).toBeGreaterThan(145);
    await origin.post("/servers/heal");
    await all;
    expect(order.at(-1)).toBe("slowest 200");
  });
});

describe("drills", () => {
  it("are applied to a whole service at once", async () => {
    await using origin = await startOrigin([...webs, { name: "api-1", service: "api" }]);
    await origin.post("/services/web/stop");
    for (const { name } of webs) await expect(connect(origin.addressOf(name))).rejects.toThrow();
    expect(await status(origin.url("api-1", "/health"))).toBe(200);
    await origin.post("/servers/heal");
    for (const { name } of webs) expect(await status(origin.url(name, "/health"))).toBe(200);
  });

  it("may follow one another in any order, also at once", async () => {
    await using origin = await startOrigin(webs);
    const drills = ["stop", "hang", "stop", "heal", "slow?delay=1s", "stop", "heal", "heal"];
    const answers = await Promise.all(drills.map((drill) => origin.post(`/servers/web-1/${drill}`)));
    expect(answers.map((answer) => answer.status)).toEqual(drills.map(() => 200));
    expect(await status(origin.url("web-1", "/health"))).toBe(200);
  });

  it("are told as events, each change once", async () => {
    await using origin = await startOrigin(webs);
    for (const drill of ["stop", "stop", "heal", "hang", "slow?delay=2s", "heal", "heal"]) {
      await origin.post(`/servers/web-1/${drill}`);
    }
    expect(origin.host.events.since(0).map((event) => event.type)).toEqual([
      "server_stopped",
      "server_healed",
      "server_hung",
      "server_slow",
      "server_healed",
    ]);
    expect(origin.host.events.since(0)[3]?.data).toEqual({
      server: "web-1",
      address: origin.addressOf("web-1"),
      state: "slow",
      delayMs: 2_000,
    });
  });

  it.each([
    { path: "/servers/web-9/stop", status: 404, error: "there is no server web-9 (known: web-1, web-2, web-3)" },
    { path: "/services/db/stop", status: 404, error: "there is no server of service db here (known: web)" },
  ])("of somebody unknown name those who are known: $path", async ({ path, status, error }) => {
    await using origin = await startOrigin(webs);
    expect(await origin.post(path)).toEqual({ status, body: JSON.stringify({ error }) });
  });
});

describe("the life of an origin", () => {
  it("refuses to start when an address is taken, and leaves nothing listening", async () => {
    await using first = await startOrigin(webs);
    const taken = first.addressOf("web-1");
    const released = await startOrigin([{ name: "web-1", service: "web" }]);
    const free = released.addressOf("web-1");
    await released.service.close();
    const config = originConfig([
      { name: "a", service: "web", address: free },
      { name: "b", service: "web", address: taken },
    ]);
    await expect(OriginService.start(config, testHost())).rejects.toMatchObject({
      name: "UsageError",
      message: expect.stringContaining(`cannot listen on ${taken} (tcp)`),
    });
    await expect(connect(free)).rejects.toMatchObject({ reason: "CONNECT_FAILED" });
  });

  it("says DRAINING to checks while it still answers, then ends when nothing is under way", async () => {
    await using origin = await startOrigin([...webs, { name: "db-1", service: "db" }]);
    const idle = await connect(origin.addressOf("db-1"));
    const events = await fetch(origin.url("web-2", "/events"));
    const client = new WebSocket(`ws://${origin.addressOf("web-2")}/ws`);
    await once(client, "open");
    const closed = once(client, "close");
    await origin.post("/servers/web-1/slow?delay=100ms");
    origin.service.drain();
    const check = await fetch(origin.url("web-2", "/health"));
    expect(check.status).toBe(503);
    expect(check.headers.get("x-watershed-reason")).toBe("DRAINING");
    const page = fetch(origin.url("web-1", "/"));
    await expect.poll(async () => (await origin.get("/servers/web-1")).body["connections"]).toBe(1);
    const finished = origin.service.finish();
    expect((await page).status).toBe(200);
    expect(await events.text()).toContain("id: 1\n");
    expect((await closed)[0]).toBe(1_001);
    await finished;
    await expect(connect(origin.addressOf("web-1"))).rejects.toMatchObject({ reason: "CONNECT_FAILED" });
    idle.destroy();
  });

  it("keeps servers that stay on a reload, with their drills and connections", async () => {
    await using origin = await startOrigin(webs);
    const [one, two, three] = webs.map(({ name, service }) => ({ name, service, address: origin.addressOf(name) }));
    if (!one || !two || !three) throw new Error("three servers were started");
    const socket = await connect(one.address);
    // web-1 and web-2 were started on port 0: this reload makes their addresses part of the config.
    await origin.service.reload(originConfig([one, two, three]));
    await origin.post("/servers/web-2/stop");
    await origin.service.reload(originConfig([one, two, { name: "web-4", service: "web", address: three.address }]));
    expect((await origin.get("/servers")).body["servers"]).toMatchObject([
      { name: "web-1", state: "running" },
      { name: "web-2", state: "stopped" },
      { name: "web-4", state: "running", address: three.address },
    ]);
    expect(((await (await fetch(origin.url("web-4", "/"))).json()) as { server: string }).server).toBe("web-4");
    socket.destroy();
  });

  it("changes nothing when a reload is refused", async () => {
    await using origin = await startOrigin(webs);
    await using other = await startOrigin([{ name: "web-1", service: "web" }]);
    const next = [{ name: "web-9", service: "web", address: other.addressOf("web-1") }];
    await expect(origin.service.reload(originConfig(next))).rejects.toThrow("already in use");
    for (const { name } of webs) expect(await status(origin.url(name, "/health"))).toBe(200);
    expect(socketAddress(origin.addressOf("web-1")).port).toBeGreaterThan(0);
  });
});
