import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TcpServer, closed, connect, nameOf, readLine, refusal } from "#test/support/tcp.ts";

const root = path.resolve(import.meta.dirname, "../..");
const address = "127.205.0.1:7001";
const admin = "http://127.205.0.1:7900";
const many = 64; // each from a port of its own: that all of them reach one process of two has odds of 1 to 2^63
const patient = { timeout: 20_000 };
const health = { type: "tcp", interval: "50ms", timeout: "40ms", fall: 2, rise: 2 };

let folder: string;
let node: ChildProcess | undefined;
let server: TcpServer;
let said: string; // on stderr, by any of the processes
const sockets: Socket[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-l4-workers-"));
  server = await greeter();
  said = "";
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  if (node && node.exitCode === null && node.signalCode === null) {
    node.kill("SIGKILL");
    await once(node, "exit");
  }
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const greeter = () => TcpServer.start((socket) => void socket.write(`${socket.remotePort}\n`), "127.205.0.10");

/** Resolves once both processes take connections. */
async function start(more: Record<string, unknown> = {}): Promise<void> {
  const config = {
    admin: "127.205.0.1:7900",
    workers: 2,
    listeners: [{ address, pool: "web" }],
    pools: { web: { endpoints: [{ address: server.address }], health } },
    ...more,
  };
  const file = path.join(folder, "l4-forwarder.yaml");
  await writeFile(file, JSON.stringify(config));
  node = spawn(process.execPath, [path.join(root, "services/l4-forwarder/main.ts"), "--config", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  node.stderr!.on("data", (chunk: Buffer) => (said += String(chunk)));
  let started = 0;
  let open = 0;
  for await (const line of createInterface(node.stdout!)) {
    if (line.includes('"msg":"started"')) started++;
    if (line.includes('"msg":"listener_open"')) open++;
    if (started === 2 && open === 2) break;
  }
  node.stdout!.resume();
}

/** @returns the greetings of those that a server has taken */
async function open(count: number): Promise<string[]> {
  const greetings: string[] = [];
  for (let i = 0; i < count; i++) {
    const socket = await connect(address).catch(() => undefined); // A refusal may come before we see that it is open.
    if (!socket) continue;
    sockets.push(socket);
    const greeting = await Promise.race([readLine(socket).catch(() => ""), closed(socket).then(() => "")]);
    if (greeting) greetings.push(greeting);
  }
  return greetings;
}

async function get(target: string): Promise<unknown> {
  const response = await fetch(admin + target);
  return response.headers.get("content-type")?.includes("json") ? response.json() : response.text();
}

interface Shown {
  readonly total: number;
  readonly connections: readonly { readonly downstream: string }[];
}

describe("several processes share the listeners of a forwarder", () => {
  it("connections, decisions and metrics are those of all of them", async () => {
    await start();
    expect(await open(many)).toHaveLength(many);
    const { total, connections } = (await get("/connections?pool=web")) as Shown;
    expect(total).toBe(many);
    expect(connections.map(({ downstream }) => downstream).toSorted()).toEqual(sockets.map(nameOf).toSorted());
    for (const socket of sockets)
      expect(await get(`/decisions/${nameOf(socket)}`)).toMatchObject({ server: server.address, mode: "userspace" });
    expect((await get("/decisions/127.205.0.9:1")) as object).toHaveProperty("error");
    expect(await get("/metrics")).toMatch(
      new RegExp(`watershed_l4_active_connections\\{listener="${address}".*\\} ${many}\\n`),
    );
  });

  it("a drain reaches all of them", async () => {
    await start({ listeners: [{ address, pool: "web", onDrain: "reset" }] });
    await open(many);
    const ended = Promise.all(sockets.map((socket) => closed(socket.resume())));
    const drained = await fetch(`${admin}/pools/web/endpoints/${server.address}/drain`, { method: "POST" });
    expect(drained.status).toBe(200);
    await ended;
    await vi.waitFor(async () => expect(await get("/connections")).toMatchObject({ total: 0 }), patient);
  });

  it("each holds its share of a limit", async () => {
    await start({ limits: { connectionsPerClient: 8 } });
    expect(await open(many)).toHaveLength(8);
  });

  it("both close while no server is up, and open again at the same port", async () => {
    await start();
    await server.stop();
    await vi.waitFor(async () => expect(await refusal(address)).toBe("ECONNREFUSED"), patient);
    await server.start();
    await vi.waitFor(async () => expect(await open(1)).toHaveLength(1), patient);
    expect(await open(many)).toHaveLength(many);
    const status = (await get("/status")) as { listeners: { open: boolean }[]; workers: unknown[] };
    expect(status).toMatchObject({ listeners: [{ open: true }] });
    expect(status.workers).toHaveLength(2);
  });

  it("the loss of the first process, while they carry connections, ends the others without a word of error", async () => {
    await start();
    await open(many);
    const ended = once(node!, "close"); // once the last of them has closed its stderr
    node!.kill("SIGKILL");
    await ended;
    expect(said).toBe("");
  });
});
