import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createKey } from "#geodns/dnssec/key-store.ts";
import { keyFlags } from "#geodns/dnssec/rdata.ts";
import { parseName } from "#geodns/wire/name.ts";
import { UdpClient, TcpClient, queryBytes } from "#test/support/dns.ts";

const root = path.resolve(import.meta.dirname, "../..");
const address = "127.204.0.1:5353";
const admin = "http://127.204.0.1:7900";
const queries = 64; // each from a port of its own: that all of them reach one worker of two has odds of 1 to 2^63
let folder: string;
let file: string;
let node: ChildProcess;
let events: AsyncIterator<string>;

const config = (text: string, more = "") => `
listen: ["${address}"]
admin: "127.204.0.1:7900"
workers: 2
regions: {eu: {location: [50, 10]}}
services: {web: {answers: 8, regions: {eu: {addresses: [192.0.2.1, 192.0.2.2]}}}}
dnsZones:
  stream.test:
    soa: {primary: ns1, contact: hostmaster}
    records: {"@": {NS: [ns1]}, ns1: {A: [127.0.0.1]}, www: {geo: web}, text: {TXT: ["${text}"]}}
${more}`;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "watershed-workers-"));
  file = path.join(folder, "geodns.yaml");
  await writeFile(file, config("one"));
  node = start();
  events = lines(node);
  await logged("started", 2);
});
afterEach(async () => {
  if (node.exitCode === null && node.signalCode === null) {
    node.kill("SIGKILL");
    await once(node, "exit");
  }
  await rm(folder, { recursive: true });
});

function start(): ChildProcess {
  return spawn(process.execPath, [path.join(root, "services/geodns/main.ts"), "--config", file], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

function lines(child: ChildProcess): AsyncIterator<string> {
  return createInterface(child.stdout!)[Symbol.asyncIterator]();
}

/** Resolves once that many processes have logged this. */
async function logged(event: string, times = 1): Promise<void> {
  for (let seen = 0; seen < times;) {
    const { value, done } = (await events.next()) as IteratorResult<string, string>;
    if (done) throw new Error(`the node ended without ${event}`);
    if (value.includes(`"msg":"${event}"`)) seen++;
  }
}

/** Asks for a cookie, then whether it is good, each time from another port. @returns the codes of the answers, each once */
async function askWithCookie(): Promise<number[]> {
  const ask = async (cookie: Uint8Array) => {
    using client = new UdpClient(address);
    return await client.ask(queryBytes({ questions: 0, edns: { options: [[10, cookie]] } }));
  };
  const cookie = (await ask(Buffer.alloc(8, 7))).opt?.options.get(10) ?? Buffer.alloc(0);
  expect(cookie).toHaveLength(24);
  const codes = new Set<number>();
  for (let i = 0; i < queries; i++) codes.add((await ask(cookie)).rcode);
  return [...codes];
}

/** Asks with DO from many ports. @returns who signed the answers: the tag and the signer, each once */
async function askSigners(name: string): Promise<string[]> {
  const signers = new Set<string>();
  for (let i = 0; i < queries; i++) {
    using client = new UdpClient(address);
    const { answers } = await client.ask(queryBytes({ name, edns: { flags: 0x8000 } }));
    const rrsig = answers.find(({ type }) => type === 46)?.data;
    signers.add(rrsig ? String(rrsig.readUInt16BE(16)) : "not signed");
  }
  return [...signers];
}

/** Asks from many ports. @returns every answer that came, each once, sorted */
async function askAll(name: string, type: number): Promise<string[]> {
  const answers = new Set<string>();
  for (let i = 0; i < queries; i++) {
    using client = new UdpClient(address);
    const reply = await client.ask(queryBytes({ name, type }));
    answers.add(
      reply.answers
        .map(({ text }) => text)
        .toSorted()
        .join(),
    );
  }
  return [...answers].toSorted();
}

async function get(path: string): Promise<string> {
  return (await fetch(admin + path)).text();
}

async function workerPids(): Promise<number[]> {
  const status = JSON.parse(await get("/status")) as { workers: { pid: number }[] };
  return status.workers.map(({ pid }) => pid);
}

describe("several processes share the sockets of a name server", () => {
  it("all of them answer, over UDP and TCP, and are counted as one", async () => {
    expect(await askAll("www.stream.test", 1)).toEqual(["192.0.2.1,192.0.2.2"]);
    for (let i = 0; i < 8; i++) {
      using tcp = new TcpClient(address);
      expect((await tcp.ask(queryBytes())).answers).toHaveLength(2);
    }
    const metrics = await get("/metrics");
    const counted = /watershed_dns_queries_total\{[^}]*transport="udp"[^}]*type="A"[^}]*\} (\d+)/.exec(metrics)?.[1];
    expect(Number(counted)).toBe(queries);
    expect(metrics).toMatch(/watershed_ready\{[^}]*\} 1/);
    expect(new Set(await workerPids()).size).toBe(2);
  });

  it("a reload reaches all, and so does what an operator does", async () => {
    await writeFile(file, config("two"));
    const reloaded = await fetch(`${admin}/reload`, { method: "POST" });
    expect(reloaded.status).toBe(200);
    expect(await askAll("text.stream.test", 16)).toEqual(["\x03two"]);
    const drained = await fetch(`${admin}/pools/web/endpoints/192.0.2.1/drain`, { method: "POST" });
    expect(drained.status).toBe(200);
    expect(await askAll("www.stream.test", 1)).toEqual(["192.0.2.2"]);
  });

  it("a cookie that one has given is good at the others", async () => {
    expect(await askWithCookie()).toEqual([0]);
  });

  it("all sign with the same keys", async () => {
    const apex = parseName("stream.test.", "")!;
    const always = { publish: 0, activate: 0, inactive: undefined, delete: undefined };
    const { key } = createKey(path.join(folder, "keys"), apex, keyFlags.entryPoint, always, 0);
    const signed = config("one").replace(
      "stream.test:",
      `stream.test:\n    dnssec: {keys: ${path.join(folder, "keys")}}`,
    );
    await writeFile(file, signed);
    const reloaded = await fetch(`${admin}/reload`, { method: "POST" });
    expect(reloaded.status).toBe(200);
    for (const name of ["www.stream.test", "ns1.stream.test"])
      expect(await askSigners(name)).toEqual([String(key.tag)]);
  });

  it("a broken config reaches none", async () => {
    await writeFile(file, config("two", "nonsense: 1"));
    const reloaded = await fetch(`${admin}/reload`, { method: "POST" });
    expect([reloaded.status, await reloaded.text()]).toEqual([400, expect.stringContaining("nonsense")]);
    expect(await askAll("text.stream.test", 16)).toEqual(["\x03one"]);
  });

  it("one that is killed is replaced, with what the others know", async () => {
    const before = await workerPids();
    process.kill(before[1]!, "SIGKILL");
    await logged("worker_lost");
    await logged("started");
    const after = await workerPids();
    expect(after[0]).toBe(before[0]);
    expect(after[1]).not.toBe(before[1]);
    expect(await askAll("text.stream.test", 16)).toEqual(["\x03one"]);
    expect(await get("/metrics")).toMatch(/watershed_worker_restarts_total\{[^}]*\} 1/);
  });

  it("a decision is found whichever of them made it", async () => {
    for (let i = 0; i < 16; i++) {
      using client = new UdpClient(address);
      const id = `trace-${1_000 + i}`;
      await client.ask(queryBytes({ edns: { options: [[65_001, Buffer.from(id)]] } }));
      expect(JSON.parse(await get(`/decisions/${id}`))).toMatchObject({ name: "www.stream.test", region: "eu" });
    }
  });

  it("a second node on the same port ends with 2 and the address", async () => {
    const second = start();
    let said = "";
    second.stderr!.on("data", (chunk: Buffer) => (said += String(chunk)));
    const [code] = (await once(second, "exit")) as [number];
    expect([code, said]).toEqual([2, expect.stringContaining("127.204.0.1:7900")]);
  });

  it("SIGTERM ends all of them with 0", async () => {
    const pids = await workerPids();
    node.kill("SIGTERM");
    expect(await once(node, "exit")).toEqual([0, null]);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("the loss of the first process ends the others", async () => {
    node.kill("SIGKILL");
    // Both write to the same output: it ends when the last of them is gone.
    let stopped = 0;
    for (;;) {
      const { value, done } = (await events.next()) as IteratorResult<string, string>;
      if (done) break;
      if (value.includes('"msg":"stopped"')) stopped++;
    }
    expect(stopped).toBe(1);
  });
});
