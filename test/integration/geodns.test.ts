import { execFile } from "node:child_process";
import dgram from "node:dgram";
import { mkdtemp, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { Host } from "#shared/server/service.ts";
import { start } from "#geodns/main.ts";
import type { NameServer } from "#geodns/name-server.ts";
import { TcpClient, UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import type { ReadReply } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { testHost } from "#test/support/host.ts";
import { FakeRouter } from "#test/support/routers.ts";

vi.setConfig({ testTimeout: 8_000, hookTimeout: 8_000 });
const run = promisify(execFile);
const german = "127.49.0.7";
const american = "127.1.0.7";
const euWest = ["127.90.11.1", "127.90.11.2"];
const usEast = ["127.90.12.1", "127.90.12.2"];

let routers: FakeRouter[];
let host: Host;
let server: NameServer;

/** A config as its file would give it. */
function configWith(changes: Record<string, unknown> = {}): GeodnsConfig {
  return geodnsSchema.parse({
    listen: ["127.90.53.1:0"],
    identity: { id: "ns1" },
    geo: { networks: { "127.49.0.0/16": { country: "DE" }, "127.1.0.0/16": { country: "US" } } },
    regions: { "eu-west": { location: [53.35, -6.26] }, "us-east": { location: [38.95, -77.45] } },
    steering: {
      countries: { BR: ["us-east", "eu-west"] },
      continents: { EU: ["eu-west", "us-east"], NA: ["us-east", "eu-west"] },
      default: "nearest",
    },
    services: { web: webService() },
    dnsZones: { "stream.test": dnsZone({}) },
    ...changes,
  });
}

function webService(changes: Record<string, unknown> = {}) {
  const health = { type: "http", port: routers[0]!.port, interval: "50ms", timeout: "40ms", fall: 2, rise: 2 };
  return { regions: { "eu-west": { addresses: euWest }, "us-east": { addresses: usEast } }, health, ...changes };
}

function dnsZone(records: Record<string, unknown>) {
  return {
    soa: { primary: "ns1", contact: "hostmaster" },
    records: {
      "@": { NS: ["ns1"] },
      ns1: { A: ["127.53.0.1"] },
      www: { geo: "web" },
      api: { CNAME: "www" },
      ...records,
    },
  };
}

const address = () => server.addresses[0]!;
const addressesOf = (reply: ReadReply) =>
  reply.answers
    .filter(({ type }) => type === 1)
    .map(({ text }) => text)
    .toSorted();

async function ask(client: string, query: Parameters<typeof queryBytes>[0] = {}): Promise<ReadReply> {
  using udp = new UdpClient(address(), client);
  return udp.ask(queryBytes(query));
}

/** Waits, from event to event, until this is so. */
async function until(condition: () => boolean): Promise<void> {
  if (condition()) return;
  await new Promise<void>((resolve) => {
    const unsubscribe = host.events.subscribe(() =>
      // After the event has been told everybody.
      queueMicrotask(() => {
        if (!condition()) return;
        unsubscribe();
        resolve();
      }),
    );
  });
}

const upCount = () =>
  [...server.pools()].reduce((sum, pool) => sum + pool.status().endpoints.filter(({ eligible }) => eligible).length, 0);
const told = (type: string) => host.events.since(0).filter((event) => event.type === type);

async function startServer(config = configWith(), hostChanges: Partial<Host> = {}): Promise<void> {
  host = testHost(hostChanges);
  server = await start(config, host);
}

/** Ends it, and waits for those who checked it to be told. */
async function stopRouters(hosts: readonly string[]): Promise<void> {
  for (const router of routers.filter((one) => hosts.includes(one.host))) await router[Symbol.asyncDispose]();
}

beforeEach(async () => {
  const first = await FakeRouter.start(euWest[0]!);
  const others = [euWest[1]!, ...usEast].map((one) => FakeRouter.start(one, first.port));
  routers = [first, ...(await Promise.all(others))];
});
afterEach(async () => {
  await server?.close();
  await stopRouters([...euWest, ...usEast]);
});

describe("clients land in their region", () => {
  beforeEach(async () => {
    await startServer();
    await until(() => server.notReady() === undefined);
  });

  it("by source address", async () => {
    expect(addressesOf(await ask(german))).toEqual(euWest);
    expect(addressesOf(await ask(american))).toEqual(usEast);
  });

  it.each([
    { client: [81, 2, 69, 142], country: "GB", regions: euWest },
    { client: [12, 0, 0, 1], country: "US", regions: usEast },
    { client: [200, 160, 2, 3], country: "BR", regions: usEast },
    { client: [133, 11, 0, 1], country: "JP", regions: euWest },
  ])("by client subnet: $client is in $country", async ({ client, country, regions }) => {
    const reply = await ask(american, { edns: { options: [ecs(1, 32, client)] } });
    expect(addressesOf(reply)).toEqual(regions);
    const explained = server.explain(new URLSearchParams({ name: "www.stream.test", client: client.join(".") }));
    expect(explained).toMatchObject({ place: { country }, scope: reply.opt?.options.get(8)?.[3] });
  });

  it("the reply comes from the address that was asked, over UDP and TCP alike", async () => {
    using udp = new UdpClient(address(), german);
    expect((await udp.ask(queryBytes())).from).toBe(address());
    using tcp = new TcpClient(address(), german);
    expect(addressesOf(await tcp.ask(queryBytes()))).toEqual(euWest);
  });

  it("explain says why, and does not rotate", async () => {
    const explain = () => server.explain(new URLSearchParams({ name: "api.stream.test.", client: german }));
    expect(explain()).toMatchObject({
      name: "api.stream.test",
      type: "A",
      client: german,
      decidedBy: "client",
      source: { kind: "override", network: "127.49.0.0/16", prefix: 16 },
      place: { country: "DE", continent: "EU" },
      rule: "continent EU",
      reason: "OK",
      region: "eu-west",
      chain: ["api.stream.test"],
      ttl: 10,
      scope: 16,
    });
    expect(explain()["answer"]).toEqual(explain()["answer"]);
    expect(() => server.explain(new URLSearchParams({ name: "www.stream.test" }))).toThrow(UsageError);
  });

  it("a query that asks for it is recorded as it was decided", async () => {
    const reply = await ask(german, { edns: { options: [[65_001, Buffer.from("trace-0001")]] } });
    expect(reply.opt?.options.has(65_001)).toBe(false);
    expect(host.decisions.find("trace-0001")).toMatchObject({
      server: "test",
      transport: "udp",
      region: "eu-west",
      rule: "continent EU",
      sent: reply.answers.map(({ text }) => text),
    });
  });

  it("answers dig", async ({ skip }) => {
    const { host: at, port } = parseSocketAddress(address())!;
    const arguments_ = ["-b", german, `@${at}`, "-p", String(port), "+short", "+nsid", "+tcp", "api.stream.test"];
    const { stdout } = await run("dig", arguments_).catch(() => skip("dig is not installed"));
    expect(stdout.trim().split("\n").toSorted()).toEqual([...euWest, "www.stream.test."]);
  });
});

describe("health", () => {
  beforeEach(async () => {
    await startServer();
    await until(() => upCount() === 4 && server.notReady() === undefined);
  });

  it("a dead router is left out; a dead region gives way, and comes back when it is healed", async () => {
    const { port } = routers[0]!;
    await stopRouters([euWest[0]!]);
    await until(() => upCount() === 3);
    expect(addressesOf(await ask(german))).toEqual([euWest[1]]);

    await stopRouters([euWest[1]!]);
    await until(() => told("region_down").length === 1);
    expect(told("region_down")[0]?.data).toMatchObject({
      service: "web",
      region: "eu-west",
      reason: "CHECK_REFUSED",
      steering: "REGION_FAILOVER",
    });
    expect(addressesOf(await ask(german))).toEqual(usEast);
    expect(server.explain(new URLSearchParams({ name: "www.stream.test", client: german }))).toMatchObject({
      reason: "REGION_FAILOVER",
      region: "us-east",
      scope: 16,
      regions: [
        { region: "eu-west", healthy: false, reason: "CHECK_REFUSED" },
        { region: "us-east", healthy: true },
      ],
    });

    routers.push(await FakeRouter.start(euWest[0]!, port));
    await until(() => told("region_up").length === 1);
    expect(addressesOf(await ask(german))).toEqual([euWest[0]]);
  });

  it("a router that says DRAINING is skipped after one check", async () => {
    routers[0]!.says = "draining";
    await until(() => upCount() === 3);
    expect(addressesOf(await ask(german))).toEqual([euWest[1]]);
    expect([...server.pools()][0]?.status().endpoints[0]).toMatchObject({ state: "draining", reason: "DRAINING" });
  });

  it("all down: every address answers", async () => {
    for (const router of routers) router.says = "error";
    await until(() => upCount() === 0);
    expect(addressesOf(await ask(german))).toEqual([...euWest, ...usEast]);
    expect(told("region_down").at(-1)?.data).toMatchObject({ steering: "FAIL_OPEN" });
    expect(server.status()["services"]).toMatchObject([{ name: "web", failOpen: true }]);
  });

  it("an operator drains an address, and changes the order", async () => {
    const [pool] = [...server.pools()];
    expect(pool!.setEndpointState(euWest[0]!, "draining")).toBe(true);
    expect(pool!.setEndpointState("127.0.0.1:1", "draining")).toBe(false);
    expect(addressesOf(await ask(german))).toEqual([euWest[1]]);
    pool!.setBalance("weighted");
    expect(pool!.status().balance).toBe("weighted");
    expect(() => pool!.setBalance("least-connections")).toThrow(UsageError);
  });
});

describe("before the first health round has ended", () => {
  it("steered names get SERVFAIL, static ones an answer; after 5 s every address answers", async () => {
    for (const router of routers) router.says = "hang";
    const clock = new FakeClock();
    const health = { ...webService().health, timeout: "10s", interval: "10s" };
    await startServer(configWith({ services: { web: webService({ health }) } }), { clock });
    expect(server.notReady()).toContain("web");
    const early = await ask(german, { edns: {} });
    expect(early).toMatchObject({ rcode: 2, answers: [] });
    expect(early.opt?.options.get(15)?.readUInt16BE(0)).toBe(14);
    expect(await ask(german, { name: "ns1.stream.test" })).toMatchObject({
      rcode: 0,
      answers: [{ text: "127.53.0.1" }],
    });
    await clock.advance(5_000);
    expect(server.notReady()).toBeUndefined();
    expect(addressesOf(await ask(german))).toEqual([...euWest, ...usEast]);
  });
});

describe("over TCP", () => {
  let clock: FakeClock;
  beforeEach(async () => {
    clock = new FakeClock();
    await startServer(
      configWith({ services: { web: webService({ health: undefined }) }, tcp: { connections: 3, idle: "10s" } }),
      { clock },
    );
    await clock.advance(0);
  });

  it("answers several queries of one write, in order", async () => {
    using tcp = new TcpClient(address());
    tcp.socket.write(Buffer.concat([1, 2, 3].map((id) => TcpClient.frame(queryBytes({ id })))));
    expect((await tcp.replies(3)).map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("answers a query that comes byte by byte, and what comes behind it", async () => {
    using tcp = new TcpClient(address());
    tcp.socket.setNoDelay(true);
    for (const byte of TcpClient.frame(queryBytes({ id: 7 })))
      await new Promise<void>((resolve) => tcp.socket.write(Buffer.of(byte), () => resolve()));
    expect((await tcp.replies(1))[0]?.id).toBe(7);
    expect((await tcp.ask(queryBytes({ id: 8 }))).id).toBe(8);
  });

  it("answers whom has ended its side, then ends too", async () => {
    using tcp = new TcpClient(address());
    tcp.socket.end(Buffer.concat([TcpClient.frame(queryBytes({ id: 5 })), Buffer.of(0, 30, 1)]));
    expect((await tcp.replies(1))[0]?.id).toBe(5);
    await tcp.closed;
  });

  it("closes who is idle, counted from the last answer and not from the last byte", async () => {
    using idle = new TcpClient(address());
    using busy = new TcpClient(address());
    await idle.ask(queryBytes());
    await busy.ask(queryBytes());
    await clock.advance(9_000);
    await busy.ask(queryBytes());
    await new Promise<void>((resolve) => idle.socket.write(Buffer.of(0), () => resolve()));
    await clock.advance(1_000);
    await idle.closed;
    expect((await busy.ask(queryBytes({ id: 9 }))).id).toBe(9);
  });

  it("over the cap the longest idle goes", async () => {
    const clients = Array.from({ length: 3 }, () => new TcpClient(address()));
    for (const client of clients) await client.ask(queryBytes());
    await clients[0]!.ask(queryBytes());
    using fourth = new TcpClient(address());
    await fourth.ask(queryBytes());
    await clients[1]!.closed;
    expect((await clients[0]!.ask(queryBytes({ id: 2 }))).id).toBe(2);
    expect((await clients[2]!.ask(queryBytes({ id: 3 }))).id).toBe(3);
    for (const client of clients) client[Symbol.dispose]();
  });

  it("a client that does not read is not read either, and gets everything once it does", async () => {
    const queries = 20_000;
    const query = TcpClient.frame(queryBytes({ name: "api.stream.test", edns: {} }));
    using tcp = new TcpClient(address());
    tcp.socket.pause();
    tcp.socket.write(Buffer.concat(Array<Buffer>(queries).fill(query)));
    tcp.socket.resume();
    expect(await tcp.replies(queries)).toHaveLength(queries);
  });

  it("finish sends what is due and closes all", async () => {
    using tcp = new TcpClient(address());
    await tcp.ask(queryBytes());
    await server.finish();
    await tcp.closed;
    await expect(
      new Promise((resolve, reject) =>
        net.connect(parseSocketAddress(address())!).on("connect", resolve).on("error", reject),
      ),
    ).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("bad input", () => {
  beforeEach(async () => {
    await startServer(configWith({ services: { web: webService({ health: undefined }) } }));
    await until(() => server.notReady() === undefined);
  });

  it("random bytes by UDP and TCP do no harm", async () => {
    const random = seededRandom(42);
    const noise = () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 600) }, () => Math.floor(random() * 256)));
    const { host: at, port } = parseSocketAddress(address())!;
    const socket = dgram.createSocket("udp4");
    for (let i = 0; i < 500; i++) await new Promise<void>((resolve) => socket.send(noise(), port, at, () => resolve()));
    socket.close();
    for (let i = 0; i < 20; i++) {
      using tcp = new TcpClient(address());
      tcp.socket.write(noise());
      tcp.socket.end();
      await tcp.closed;
    }
    expect((await ask(german)).rcode).toBe(0);
  });

  it("a reply, or half a header, gets silence", async () => {
    using udp = new UdpClient(address());
    await udp.send(queryBytes({ id: 1, flags: 0x8000 }));
    await udp.send(queryBytes({ id: 2 }).subarray(0, 11));
    expect((await udp.ask(queryBytes({ id: 3 }))).id).toBe(3);
    expect(await host.metrics.render()).toMatch(/watershed_dns_dropped_total\{transport="udp".*\} 2/);
  });

  it("queries are counted", async () => {
    await ask(german);
    await ask(german, { name: "no.stream.test", type: 4_242 });
    const metrics = await host.metrics.render();
    expect(metrics).toMatch(/watershed_dns_queries_total\{transport="udp",type="A",rcode="NOERROR".*\} 1/);
    expect(metrics).toMatch(/watershed_dns_queries_total\{transport="udp",type="other",rcode="NXDOMAIN".*\} 1/);
    expect(metrics).toMatch(/watershed_dns_steered_total\{service="web",region="eu-west",reason="OK".*\} 1/);
  });
});

describe("a port that is taken", () => {
  beforeEach(() => startServer());

  it("over TCP is told with address and port", async () => {
    const again = start(configWith({ listen: [address()] }), testHost());
    await expect(again).rejects.toThrow(UsageError);
    await expect(again).rejects.toThrow(`cannot listen on ${address()} (tcp)`);
  });

  it("over UDP too, and nothing stays open", async () => {
    const taken = dgram.createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.90.53.2", resolve));
    const text = `127.90.53.2:${taken.address().port}`;
    await expect(start(configWith({ listen: ["127.90.53.3:0", text] }), testHost())).rejects.toThrow(
      `cannot listen on ${text} (udp)`,
    );
    await expect(
      new Promise((resolve, reject) =>
        net.connect(parseSocketAddress(text)!).on("connect", resolve).on("error", reject),
      ),
    ).rejects.toMatchObject({ code: "ECONNREFUSED" });
    taken.close();
  });
});

describe("reload", () => {
  beforeEach(async () => {
    await startServer();
    await until(() => upCount() === 4 && server.notReady() === undefined);
  });

  it("takes records, services, addresses and listeners in, and keeps what stays", async () => {
    const kept = address();
    const next = configWith({
      listen: ["127.90.53.1:0", "127.90.53.4:0"],
      services: {
        web: webService({ ttl: "20s", regions: { "eu-west": { addresses: [euWest[0]] } } }),
        other: webService(),
      },
      dnsZones: { "stream.test": dnsZone({ new: { geo: "other" }, ns9: { A: ["192.0.2.9"] } }) },
    });
    await server.reload(next);
    expect(server.addresses).toHaveLength(2);
    expect(address()).toBe(kept);
    expect(await ask(german)).toMatchObject({ answers: [{ ttl: 20, text: euWest[0] }] });
    expect(addressesOf(await ask(american, { name: "new.stream.test" }))).toEqual(usEast);
    expect((await ask(german, { name: "ns9.stream.test" })).answers[0]?.text).toBe("192.0.2.9");
    await server.reload(configWith());
    expect(server.addresses).toEqual([kept]);
    expect([...server.pools()].map(({ name }) => name)).toEqual(["web"]);
  });

  it("with a corrupt geo database or a taken port changes nothing", async () => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), "watershed-")), "broken.mmdb");
    await writeFile(file, "broken");
    const zones = { "other.test": dnsZone({}) };
    await expect(server.reload(configWith({ geo: { database: file }, dnsZones: zones }))).rejects.toThrow(file);
    const taken = configWith({ listen: ["127.90.53.1:0", "127.90.53.5:0", "192.0.2.1:53"], dnsZones: zones });
    await expect(server.reload(taken)).rejects.toThrow("cannot listen on 192.0.2.1:53");
    expect(server.addresses).toHaveLength(1);
    expect(addressesOf(await ask(german))).toEqual(euWest);
    expect((await ask(german, { name: "ns1.other.test" })).rcode).toBe(5);
  });

  it("again and again under load loses no query", async () => {
    using udp = new UdpClient(address(), german);
    let reloading = true;
    const reloads = (async () => {
      for (let i = 0; i < 10; i++) await server.reload(configWith());
      reloading = false;
    })();
    let answered = 0;
    for (; reloading || answered < 100; answered++) expect(addressesOf(await udp.ask(queryBytes()))).toEqual(euWest);
    await reloads;
    expect(answered).toBeGreaterThanOrEqual(100);
  });
});
