import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RawClient } from "#test/support/raw-client.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";

const root = path.resolve(import.meta.dirname, "../..");
const address = "127.206.0.1:8080";
const admin = "http://127.206.0.1:7900";
const many = 64; // each from a port of its own: that all of them reach one process of two has odds of 1 to 2^63
const patient = { timeout: 20_000 };
const ask = (target = "/", ...lines: string[]) =>
  `${[`GET ${target} HTTP/1.1`, "Host: www.stream.test", ...lines].join("\r\n")}\r\n\r\n`;

let folder: string;
let file: string;
let node: ChildProcess | undefined;
let logged: AsyncIterator<string>;
let backend: ScriptedBackend;
const clients: RawClient[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-l7-workers-"));
  file = path.join(folder, "l7-router.yaml");
  backend = await ScriptedBackend.start({
    onRequest({ line, socket }) {
      if (!line.startsWith("GET /hang")) socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    },
  });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.destroy();
  if (node && node.exitCode === null && node.signalCode === null) {
    node.kill("SIGKILL");
    await once(node, "exit");
  }
  await backend[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function write(more: Record<string, unknown> = {}): Promise<void> {
  const config = {
    admin: "127.206.0.1:7900",
    workers: 2,
    listeners: [{ address }],
    routes: [{ name: "all", match: {}, pool: "web" }],
    pools: { web: { endpoints: [{ address: backend.address }] } },
    ...more,
  };
  await writeFile(file, JSON.stringify(config));
}

async function start(engine: string): Promise<void> {
  await write({ engine });
  node = spawn(process.execPath, [path.join(root, "services/l7-router/main.ts"), "--config", file], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  logged = createInterface(node.stdout!)[Symbol.asyncIterator]();
  await said("started", 2);
}

/** Resolves once that many processes have logged this. */
async function said(event: string, times = 1): Promise<void> {
  for (let seen = 0; seen < times;) {
    const { value, done } = (await logged.next()) as IteratorResult<string, string>;
    if (done) throw new Error(`the node ended without ${event}`);
    if (value.includes(`"msg":"${event}"`)) seen++;
  }
}

async function connect(): Promise<RawClient> {
  const client = await RawClient.connect(address);
  clients.push(client);
  return client;
}

/** One request on each of many connections. @returns each status once */
async function statuses(...lines: string[]): Promise<number[]> {
  const found = new Set<number>();
  for (let i = 0; i < many; i++) {
    const client = await connect();
    client.send(ask("/", ...lines));
    found.add((await client.answer()).status);
  }
  return [...found];
}

async function get(target: string): Promise<string> {
  return (await fetch(admin + target)).text();
}

async function post(target: string): Promise<void> {
  const response = await fetch(admin + target, { method: "POST" });
  expect([response.status, await response.text()]).toEqual([200, expect.anything()]);
}

async function pids(): Promise<number[]> {
  const status = JSON.parse(await get("/status")) as { workers: { pid: number }[] };
  return status.workers.map(({ pid }) => pid);
}

describe.each(["wire", "http-proxy"])("several processes share the listeners of a router (%s)", (engine) => {
  it("status, metrics, events and decisions are those of all of them", async () => {
    await start(engine);
    const events = await fetch(`${admin}/events?type=endpoint_draining`);
    for (let i = 0; i < many; i++) {
      const client = await connect();
      client.send(ask("/", `X-Watershed-Trace: trace-${1_000 + i}`));
      expect((await client.answer()).status).toBe(200);
      expect(JSON.parse(await get(`/decisions/trace-${1_000 + i}`))).toMatchObject({
        route: { index: 0 },
        status: 200,
      });
      client.send(ask("/hang"));
    }
    await backend.until(() => backend.requests.length === 2 * many);
    expect(JSON.parse(await get("/status"))).toMatchObject({
      activeRequests: many,
      listeners: [{ address, connections: many }],
      upstreamConnections: { web: many },
      pools: [{ name: "web", endpoints: [{ active: many }] }],
    });
    expect(await get("/metrics")).toMatch(new RegExp(`watershed_http_requests_total\\{[^}]*\\} ${many}\\n`));
    await post(`/pools/web/endpoints/${backend.address}/drain`);
    let told = "";
    for await (const chunk of events.body!) {
      told += Buffer.from(chunk).toString();
      if (told.split('"type":"endpoint_draining"').length > 2) break;
    }
    expect(told).toContain(`"worker":${(await pids())[1]}`);
  });

  it("a reload reaches all of them, and so does what an operator does", async () => {
    await start(engine);
    await write({ engine, routes: [{ name: "all", match: {}, respond: { status: 204 } }] });
    await post("/reload");
    expect(await statuses()).toEqual([204]);
    await post("/routes/all/close");
    expect(await statuses()).toEqual([503]);
  });

  it("one that is killed is replaced, and knows the config and what an operator did", async () => {
    await start(engine);
    await post("/routes/all/close");
    const [first, second] = await pids();
    process.kill(second!, "SIGKILL");
    await said("worker_lost");
    await said("started");
    expect((await pids())[0]).toBe(first);
    expect((await pids())[1]).not.toBe(second);
    await vi.waitFor(async () => expect(await statuses()).toEqual([503]), patient);
    expect(await get("/metrics")).toMatch(/watershed_worker_restarts_total\{[^}]*\} 1/);
  });

  it("a drain and SIGTERM lose no request of any of them, and end with 0", async () => {
    await start(engine);
    for (let i = 0; i < many; i++) {
      const client = await connect();
      client.send(ask());
      expect((await client.answer()).header("connection")).toBe("keep-alive");
    }
    await post("/drain");
    for (const client of clients) {
      client.send(ask());
      const { status, header } = await client.answer();
      expect([status, header("connection")]).toEqual([200, "close"]);
    }
    const late = await connect();
    late.send(ask("/hang"));
    await backend.until(() => backend.requests.some(({ line }) => line.startsWith("GET /hang")));
    node!.kill("SIGTERM");
    backend.requests.at(-1)?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate");
    expect((await late.answer()).body).toBe("late");
    expect(await once(node!, "exit")).toEqual([0, null]);
  });
});
