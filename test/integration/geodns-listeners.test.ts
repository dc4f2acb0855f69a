import dgram from "node:dgram";
import { mkdtemp, writeFile } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import { start } from "#geodns/service.ts";
import { TcpClient, UdpClient, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { GeodnsBench, addressesOf, american, dnsZone, german } from "#test/support/geodns.ts";
import { testHost } from "#test/support/host.ts";
import { FakeRouter } from "#test/support/routers.ts";

let bench: GeodnsBench;

beforeEach(async () => {
  bench = await GeodnsBench.open(91);
});
afterEach(() => bench[Symbol.asyncDispose]());

describe("over TCP", () => {
  let clock: FakeClock;
  beforeEach(async () => {
    clock = new FakeClock();
    await bench.start(
      bench.config({
        services: { web: bench.webService({ health: undefined }) },
        tcp: { connections: 3, idle: "10s" },
      }),
      { clock },
    );
    await clock.advance(0);
  });

  it("answers several queries of one write, in order", async () => {
    using tcp = new TcpClient(bench.address);
    tcp.socket.write(Buffer.concat([1, 2, 3].map((id) => TcpClient.frame(queryBytes({ id })))));
    expect((await tcp.replies(3)).map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("answers a query that comes byte by byte, and what comes behind it", async () => {
    using tcp = new TcpClient(bench.address);
    tcp.socket.setNoDelay(true);
    for (const byte of TcpClient.frame(queryBytes({ id: 7 })))
      await new Promise<void>((resolve) => tcp.socket.write(Buffer.of(byte), () => resolve()));
    expect((await tcp.replies(1))[0]?.id).toBe(7);
    expect((await tcp.ask(queryBytes({ id: 8 }))).id).toBe(8);
  });

  it("answers whom has ended its side, then ends too", async () => {
    using tcp = new TcpClient(bench.address);
    tcp.socket.end(Buffer.concat([TcpClient.frame(queryBytes({ id: 5 })), Buffer.of(0, 30, 1)]));
    expect((await tcp.replies(1))[0]?.id).toBe(5);
    await tcp.closed;
  });

  it("closes who is idle, counted from the last answer and not from the last byte", async () => {
    using idle = new TcpClient(bench.address);
    using busy = new TcpClient(bench.address);
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
    const clients = Array.from({ length: 3 }, () => new TcpClient(bench.address));
    for (const client of clients) await client.ask(queryBytes());
    await clients[0]!.ask(queryBytes());
    using fourth = new TcpClient(bench.address);
    await fourth.ask(queryBytes());
    await clients[1]!.closed;
    expect((await clients[0]!.ask(queryBytes({ id: 2 }))).id).toBe(2);
    expect((await clients[2]!.ask(queryBytes({ id: 3 }))).id).toBe(3);
    for (const client of clients) client[Symbol.dispose]();
  });

  it("a burst far over what is held for a client is answered whole", async () => {
    const queries = 20_000;
    const query = TcpClient.frame(queryBytes({ name: "api.stream.test", edns: {} }));
    using tcp = new TcpClient(bench.address);
    tcp.socket.write(Buffer.concat(Array<Buffer>(queries).fill(query)));
    expect(await tcp.replies(queries)).toHaveLength(queries);
  });

  it("finish sends what is due and closes all", async () => {
    using tcp = new TcpClient(bench.address);
    await tcp.ask(queryBytes());
    await bench.server.finish();
    await tcp.closed;
    await expect(
      new Promise((resolve, reject) =>
        net.connect(parseSocketAddress(bench.address)!).on("connect", resolve).on("error", reject),
      ),
    ).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });
});

describe("bad input", () => {
  beforeEach(async () => {
    await bench.startReady(bench.config({ services: { web: bench.webService({ health: undefined }) } }));
  });

  it("random bytes by UDP and TCP do no harm", async () => {
    const random = seededRandom(42);
    const noise = () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 600) }, () => Math.floor(random() * 256)));
    const { host: at, port } = parseSocketAddress(bench.address)!;
    const socket = dgram.createSocket("udp4");
    for (let i = 0; i < 500; i++) await new Promise<void>((resolve) => socket.send(noise(), port, at, () => resolve()));
    socket.close();
    for (let i = 0; i < 20; i++) {
      using tcp = new TcpClient(bench.address);
      tcp.socket.write(noise());
      tcp.socket.end();
      await tcp.closed;
    }
    expect((await bench.ask(german)).rcode).toBe(0);
  });

  it("a reply, or half a header, gets silence", async () => {
    using udp = new UdpClient(bench.address);
    await udp.send(queryBytes({ id: 1, flags: 0x8000 }));
    await udp.send(queryBytes({ id: 2 }).subarray(0, 11));
    expect((await udp.ask(queryBytes({ id: 3 }))).id).toBe(3);
    expect(await bench.host.metrics.render()).toMatch(/watershed_dns_dropped_total\{transport="udp".*\} 2/);
  });

  it("queries are counted", async () => {
    await bench.ask(german);
    await bench.ask(german, { name: "no.stream.test", type: 4_242 });
    const metrics = await bench.host.metrics.render();
    expect(metrics).toMatch(/watershed_dns_queries_total\{transport="udp",type="A",rcode="NOERROR".*\} 1/);
    expect(metrics).toMatch(/watershed_dns_queries_total\{transport="udp",type="other",rcode="NXDOMAIN".*\} 1/);
    expect(metrics).toMatch(/watershed_dns_steered_total\{geo="web",region="eu-west",reason="OK".*\} 1/);
  });
});

describe("a port that is taken", () => {
  beforeEach(() => bench.start());

  it("over TCP is told with address and port", async () => {
    const again = start(bench.config({ listen: [bench.address] }), testHost());
    await expect(again).rejects.toThrow(UsageError);
    await expect(again).rejects.toThrow(`cannot listen on ${bench.address} (tcp)`);
  });

  it("over UDP too, and nothing stays open", async () => {
    const taken = dgram.createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.91.53.2", resolve));
    const text = `127.91.53.2:${taken.address().port}`;
    await expect(start(bench.config({ listen: [bench.listenAt(3), text] }), testHost())).rejects.toThrow(
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
    await bench.startReady();
  });

  it("takes records, services, addresses and listeners in, and keeps what stays", async () => {
    const kept = bench.address;
    const ttl = { ttl: "20s", ttlMin: "20s" }; // also while a busy machine makes a check fail
    const next = bench.config({
      listen: [bench.listenAt(1), bench.listenAt(4)],
      services: {
        web: bench.webService({ ...ttl, regions: { "eu-west": { addresses: [bench.euWest[0]] } } }),
        other: bench.webService(),
      },
      dnsZones: { "stream.test": dnsZone({ new: { geo: "other" }, ns9: { A: ["192.0.2.9"] } }) },
    });
    await bench.server.reload(next);
    expect(bench.server.addresses).toHaveLength(2);
    expect(bench.address).toBe(kept);
    expect(await bench.ask(german)).toMatchObject({ answers: [{ ttl: 20, text: bench.euWest[0] }] });
    expect(addressesOf(await bench.ask(american, { name: "new.stream.test" }))).toEqual(bench.usEast);
    expect((await bench.ask(german, { name: "ns9.stream.test" })).answers[0]?.text).toBe("192.0.2.9");
    await bench.server.reload(bench.config());
    expect(bench.server.addresses).toEqual([kept]);
    expect([...bench.server.pools()].map(({ name }) => name)).toEqual(["web"]);
  });

  it("that changes the port of the checks waits for them, and keeps what operators have set", async () => {
    const [pool] = [...bench.server.pools()];
    pool!.setEndpointState(bench.euWest[0]!, "disabled");
    pool!.setBalance("weighted");
    const atNewPort: FakeRouter[] = [];
    for (const host of [...bench.euWest, ...bench.usEast])
      atNewPort.push(await FakeRouter.start(host, atNewPort[0]?.port ?? 0));
    bench.routers.push(...atNewPort);
    const health = { ...bench.webService().health, port: atNewPort[0]!.port };
    await bench.server.reload(bench.config({ services: { web: bench.webService({ health }) } }));
    expect(addressesOf(await bench.ask(german))).toEqual([bench.euWest[1]]);
    const [status] = [...bench.server.pools()].map((one) => one.status());
    expect(status).toMatchObject({ balance: "weighted", eligible: 3 });
    expect(status?.endpoints.map(({ state }) => state)).toEqual(["disabled", "up", "up", "up"]);
    expect(bench.told("region_down")).toEqual([]);
  });

  it("that replaces all addresses of a region waits for their checks", async () => {
    await using added = await FakeRouter.start("127.91.11.3", bench.routers[0]!.port);
    const regions = { "eu-west": { addresses: [added.host] }, "us-east": { addresses: bench.usEast } };
    await bench.server.reload(bench.config({ services: { web: bench.webService({ regions }) } }));
    expect(addressesOf(await bench.ask(german))).toEqual([added.host]);
    expect(bench.told("region_down")).toEqual([]);
    expect(bench.told("endpoint_removed").map(({ data }) => data["endpoint"])).toEqual(
      bench.euWest.map((host) => `${host}:${added.port}`),
    );
  });

  it("with a corrupt geo database or a taken port changes nothing", async () => {
    const file = path.join(await mkdtemp(path.join(tmpdir(), "watershed-")), "broken.mmdb");
    await writeFile(file, "broken");
    const zones = { "other.test": dnsZone() };
    await expect(bench.server.reload(bench.config({ geo: { database: file }, dnsZones: zones }))).rejects.toThrow(file);
    const taken = bench.config({ listen: [bench.listenAt(1), bench.listenAt(5), "192.0.2.1:53"], dnsZones: zones });
    await expect(bench.server.reload(taken)).rejects.toThrow("cannot listen on 192.0.2.1:53");
    expect(bench.server.addresses).toHaveLength(1);
    expect(addressesOf(await bench.ask(german))).toEqual(bench.euWest);
    expect((await bench.ask(german, { name: "ns1.other.test" })).rcode).toBe(5);
  });

  it("again and again under load loses no query", async () => {
    using udp = new UdpClient(bench.address, german);
    let reloading = true;
    const reloads = (async () => {
      for (let i = 0; i < 10; i++) await bench.server.reload(bench.config());
      reloading = false;
    })();
    let answered = 0;
    for (; reloading || answered < 100; answered++)
      expect(addressesOf(await udp.ask(queryBytes()))).toEqual(bench.euWest);
    await reloads;
    expect(answered).toBeGreaterThanOrEqual(100);
  });
});
