import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { TcpClient, UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { GeodnsBench, addressesOf, american, german } from "#test/support/geodns.ts";
import { FakeRouter } from "#test/support/routers.ts";

const run = promisify(execFile);
let bench: GeodnsBench;

beforeEach(async () => {
  bench = await GeodnsBench.open(90);
});
afterEach(() => bench[Symbol.asyncDispose]());

describe("clients land in their region", () => {
  beforeEach(async () => {
    await bench.startReady();
  });

  it("by source address", async () => {
    expect(addressesOf(await bench.ask(german))).toEqual(bench.euWest);
    expect(addressesOf(await bench.ask(american))).toEqual(bench.usEast);
  });

  it.each([
    { client: [81, 2, 69, 142], country: "GB", region: "euWest" },
    { client: [12, 0, 0, 1], country: "US", region: "usEast" },
    { client: [200, 160, 2, 3], country: "BR", region: "usEast" },
    { client: [133, 11, 0, 1], country: "JP", region: "euWest" },
  ] as const)("by client subnet: $client is in $country", async ({ client, country, region }) => {
    const reply = await bench.ask(american, { edns: { options: [ecs(1, 32, client)] } });
    expect(addressesOf(reply)).toEqual(bench[region]);
    const explained = bench.explain({ name: "www.stream.test", client: client.join(".") });
    expect(explained).toMatchObject({ place: { country }, scope: reply.opt?.options.get(8)?.[3] });
  });

  it("the reply comes from the address that was asked, over UDP and TCP alike", async () => {
    using udp = new UdpClient(bench.address, german);
    expect((await udp.ask(queryBytes())).from).toBe(bench.address);
    using tcp = new TcpClient(bench.address, german);
    expect(addressesOf(await tcp.ask(queryBytes()))).toEqual(bench.euWest);
  });

  it("explain says why, and does not rotate", async () => {
    const explain = () => bench.explain({ name: "api.stream.test.", client: german });
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
      scope: 11, // all of 127.32.0.0/11 has the same list of regions
    });
    expect(explain()["answer"]).toEqual(explain()["answer"]);
    expect(() => bench.explain({ name: "www.stream.test" })).toThrow(UsageError);
    expect(bench.explain({ name: "www.example.org", client: german })).toMatchObject({
      rcode: "REFUSED",
      reason: "NOT_OUR_ZONE",
      rule: "outside every DNS zone",
    });
  });

  it("a query that asks for it is recorded as it was decided", async () => {
    const reply = await bench.ask(german, { edns: { options: [[65_001, Buffer.from("trace-0001")]] } });
    expect(reply.opt?.options.has(65_001)).toBe(false);
    expect(bench.host.decisions.find("trace-0001")).toMatchObject({
      server: "test",
      transport: "udp",
      region: "eu-west",
      rule: "continent EU",
      sent: reply.answers.map(({ text }) => text),
    });
  });

  it("answers dig", async ({ skip }) => {
    const { host: at, port } = parseSocketAddress(bench.address)!;
    const arguments_ = ["-b", german, `@${at}`, "-p", String(port), "+short", "+nsid", "+tcp", "api.stream.test"];
    const { stdout } = await run("dig", arguments_).catch(() => skip("dig is not installed"));
    expect(stdout.trim().split("\n").toSorted()).toEqual([...bench.euWest, "www.stream.test."]);
  });
});

describe("health", () => {
  beforeEach(async () => {
    await bench.startReady();
  });

  it("a dead router is left out; a dead region gives way, and comes back when it is healed", async () => {
    const { port } = bench.routers[0]!;
    await bench.stopRouters([bench.euWest[0]!]);
    await bench.until(() => bench.upCount === 3);
    expect(addressesOf(await bench.ask(german))).toEqual([bench.euWest[1]]);

    await bench.stopRouters([bench.euWest[1]!]);
    await bench.until(() => bench.told("region_down").length === 1);
    expect(bench.told("region_down")[0]?.data).toMatchObject({
      service: "web",
      region: "eu-west",
      reason: "CHECK_REFUSED",
      steering: "REGION_FAILOVER",
    });
    expect(addressesOf(await bench.ask(german))).toEqual(bench.usEast);
    expect(bench.explain({ name: "www.stream.test", client: german })).toMatchObject({
      reason: "REGION_FAILOVER",
      region: "us-east",
      scope: 11, // all of 127.32.0.0/11 has the same list of regions
      regions: [
        { region: "eu-west", healthy: false, reason: "CHECK_REFUSED" },
        { region: "us-east", healthy: true },
      ],
    });

    bench.routers.push(await FakeRouter.start(bench.euWest[0]!, port));
    await bench.until(() => bench.told("region_up").length === 1);
    expect(addressesOf(await bench.ask(german))).toEqual([bench.euWest[0]]);
  });

  it("a router that says DRAINING is skipped after one check", async () => {
    bench.routers[0]!.says = "draining";
    await bench.until(() => bench.upCount === 3);
    expect(addressesOf(await bench.ask(german))).toEqual([bench.euWest[1]]);
    expect([...bench.server.pools()][0]?.status().endpoints[0]).toMatchObject({
      state: "draining",
      reason: "DRAINING",
    });
  });

  it("all down: every address answers", async () => {
    for (const router of bench.routers) router.says = "error";
    await bench.until(() => bench.upCount === 0);
    expect(addressesOf(await bench.ask(german))).toEqual([...bench.euWest, ...bench.usEast]);
    expect(bench.told("region_down").at(-1)?.data).toMatchObject({ steering: "FAIL_OPEN" });
    expect(bench.server.status()["services"]).toMatchObject([{ name: "web", failOpen: true }]);
  });

  it("an operator drains an address, and changes the order", async () => {
    const [pool] = [...bench.server.pools()];
    expect(pool!.setEndpointState(bench.euWest[0]!, "draining")).toBe(true);
    expect(pool!.setEndpointState("127.0.0.1:1", "draining")).toBe(false);
    expect(addressesOf(await bench.ask(german))).toEqual([bench.euWest[1]]);
    pool!.setBalance("weighted");
    expect(pool!.status().balance).toBe("weighted");
    expect(() => pool!.setBalance("least-connections")).toThrow(UsageError);
  });
});

describe("before the first health round has ended", () => {
  it("steered names get SERVFAIL, static ones an answer; after 5 s every address answers", async () => {
    for (const router of bench.routers) router.says = "hang";
    const clock = new FakeClock();
    const health = { ...bench.webService().health, timeout: "10s", interval: "10s" };
    await bench.start(bench.config({ services: { web: bench.webService({ health }) } }), { clock });
    expect(bench.server.notReady()).toContain("web");
    expect(bench.explain({ name: "www.stream.test", client: german })).toMatchObject({
      rcode: "SERVFAIL",
      reason: "STARTING",
      rule: "first health round of web",
    });
    const early = await bench.ask(german, { edns: {} });
    expect(early).toMatchObject({ rcode: 2, answers: [] });
    expect(early.opt?.options.get(15)?.readUInt16BE(0)).toBe(14);
    expect(await bench.ask(german, { name: "ns1.stream.test" })).toMatchObject({
      rcode: 0,
      answers: [{ text: "127.53.0.1" }],
    });
    await clock.advance(5_000);
    expect(bench.server.notReady()).toBeUndefined();
    expect(addressesOf(await bench.ask(german))).toEqual([...bench.euWest, ...bench.usEast]);
  });
});
