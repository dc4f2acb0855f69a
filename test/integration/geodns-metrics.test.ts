import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { GeodnsBench, american, dnsZone, german } from "#test/support/geodns.ts";

const clock = new FakeClock();
let bench: GeodnsBench;
beforeAll(async () => {
  bench = await GeodnsBench.open(114);
  const web = bench.webService({ health: undefined });
  const dnsZones = { "stream.test": dnsZone({ huge: { TXT: ["x".repeat(4_000)] } }) };
  const rateLimit = { perSecond: { answers: 5 }, slip: 1, exempt: ["127.49.0.0/16"] };
  await bench.startReady(bench.config({ services: { web }, dnsZones, rateLimit }), { clock });
});
afterAll(() => bench[Symbol.asyncDispose]());

/** The sum of the series whose labels hold these. */
async function valueOf(name: string, ...labels: readonly string[]): Promise<number> {
  const lines = (await bench.host.metrics.render()).split("\n").filter((line) => line.startsWith(`${name}{`));
  const ours = lines.filter((line) => labels.every((label) => line.includes(label)));
  return ours.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

describe("metrics of a name server move", () => {
  it.each([
    { name: "watershed_dns_queries_total", labels: ['type="A"', 'rcode="NOERROR"', 'transport="udp"'], query: {} },
    { name: "watershed_dns_queries_total", labels: ['rcode="REFUSED"'], query: { name: "example.org" } },
    { name: "watershed_dns_steered_total", labels: ['region="eu-west"', 'reason="OK"'], query: {} },
    { name: "watershed_dns_truncated_total", labels: [], query: { name: "huge.stream.test", type: 16 } },
    {
      name: "watershed_dns_subnet_queries_total",
      labels: [],
      query: { edns: { options: [ecs(1, 24, [127, 49, 7])] } },
    },
  ])("$name $labels by one query", async ({ name, labels, query }) => {
    const before = await valueOf(name, ...labels);
    await bench.ask(german, query);
    expect(await valueOf(name, ...labels)).toBe(before + 1);
  });

  it("watershed_dns_dropped_total by what is no query", async () => {
    const before = await valueOf("watershed_dns_dropped_total", 'transport="udp"');
    using udp = new UdpClient(bench.address, german);
    await udp.send(queryBytes({ flags: 0x8000 }));
    await udp.ask(queryBytes());
    expect(await valueOf("watershed_dns_dropped_total", 'transport="udp"')).toBe(before + 1);
  });

  it("watershed_dns_limited_total by what is over the limit", async () => {
    for (let i = 0; i < 8; i++) await bench.ask(american);
    expect(await valueOf("watershed_dns_limited_total", 'result="cut"')).toBe(3);
  });

  it("watershed_dns_answer_seconds by one message in 63", async () => {
    const before = await valueOf("watershed_dns_answer_seconds_count", 'transport="udp"');
    for (let i = 0; i < 63; i++) await bench.ask(german);
    expect(await valueOf("watershed_dns_answer_seconds_count", 'transport="udp"')).toBe(before + 1);
  });

  it("the snapshot and the geo database tell when they were made", async () => {
    const now = Date.now() / 1_000;
    const before = await valueOf("watershed_dns_snapshot_timestamp_seconds");
    expect(before).toBeLessThanOrEqual(now);
    expect(await valueOf("watershed_geo_database_timestamp_seconds")).toBeGreaterThan(1_600_000_000);
    await bench.server.reload(bench.config({ services: { web: bench.webService({ health: undefined }) } }));
    expect(await valueOf("watershed_dns_snapshot_timestamp_seconds")).toBeGreaterThanOrEqual(now);
  });
});
