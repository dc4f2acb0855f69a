import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Host } from "#shared/server/service.ts";
import { start } from "#geodns/service.ts";
import { TcpClient, UdpClient, queryBytes } from "#test/support/dns.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { GeodnsBench, addressesOf, american, german } from "#test/support/geodns.ts";
import { testHost } from "#test/support/host.ts";
import { optionCodes, rcodes } from "./rig.ts";

const fall = 3;
let bench: GeodnsBench;
beforeEach(async () => {
  bench = await GeodnsBench.open(97);
});
afterEach(() => bench[Symbol.asyncDispose]());

const config = (health: Record<string, unknown> = {}) => {
  const web = bench.webService({ health: { ...bench.webService().health, fall, ...health } });
  return bench.config({ services: { web } });
};
const regionsDown = (count: number) => () => bench.told("region_down").length >= count;

describe("a region that goes down (checklist 19)", () => {
  it.each([
    { name: "its routers answer an error", says: "error" },
    { name: "its routers hang", says: "hang" },
  ] as const)("$name: the answer moves to the next region by the last failed check of `fall`", async ({ says }) => {
    await bench.startReady(config());
    expect(addressesOf(await bench.ask(german))).toEqual(bench.euWest);
    const routers = bench.routers.slice(0, 2);
    const before = routers.map(({ requests }) => requests);
    for (const router of routers) router.says = says;
    await bench.until(regionsDown(1));
    const failed = routers.map(({ requests }, i) => requests - before[i]!);
    expect(Math.min(...failed)).toBeGreaterThanOrEqual(fall);
    // The two are checked apart, and one of them may have been asked when it turned: never more than that.
    expect(Math.min(...failed)).toBeLessThanOrEqual(fall + 1);
    const reply = await bench.ask(german);
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true, tc: false });
    expect(addressesOf(reply)).toEqual(bench.usEast);
    using tcp = new TcpClient(bench.address, german);
    expect(addressesOf(await tcp.ask(queryBytes()))).toEqual(bench.usEast);
  });

  it("all regions down: every address answers, never NXDOMAIN, SERVFAIL or nothing", async () => {
    await bench.startReady(config());
    for (const router of bench.routers) router.says = "error";
    await bench.until(() => bench.upCount === 0);
    for (const client of [german, american]) {
      const reply = await bench.ask(client);
      expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true });
      expect(addressesOf(reply)).toEqual([...bench.euWest, ...bench.usEast]);
    }
  });
});

describe("before the first health round has ended (checklist 20)", () => {
  it("no steered answer goes out, over UDP and TCP; static ones do; at its end, or its time limit, steered ones do too", async () => {
    for (const router of bench.routers) router.says = "hang";
    const clock = new FakeClock();
    await bench.start(config({ timeout: "10s", interval: "10s" }), { clock });
    using udp = new UdpClient(bench.address, german);
    using tcp = new TcpClient(bench.address, german);
    for (const ask of [(query: Buffer) => udp.ask(query), (query: Buffer) => tcp.ask(query)]) {
      for (const [name, type] of [
        ["www.stream.test", 1],
        ["www.stream.test", 28],
        ["api.stream.test", 1],
      ] as const) {
        const early = await ask(queryBytes({ name, type, edns: {} }));
        expect(early).toMatchObject({ rcode: rcodes.SERVFAIL, aa: false, answers: [] });
        expect(early.opt?.options.get(optionCodes.extendedError)?.readUInt16BE(0)).toBe(14); // not ready, RFC 8914 §4.15
      }
      expect(await ask(queryBytes({ name: "ns1.stream.test" }))).toMatchObject({ rcode: 0, answers: [{ type: 1 }] });
    }
    await clock.advance(4_999);
    expect((await udp.ask(queryBytes())).rcode).toBe(rcodes.SERVFAIL);
    await clock.advance(1);
    expect(addressesOf(await udp.ask(queryBytes()))).toEqual([...bench.euWest, ...bench.usEast]);
  });
});

describe("two name servers", () => {
  it("each decide alone, by what each sees", async () => {
    const [one, other] = ["127.97.53.1", "127.97.53.2"];
    const sees = (from: string) => ({ ...config(), localAddress: from });
    await bench.startReady(sees(one));
    const host = testHost();
    const server = await start({ ...sees(other), listen: [bench.listenAt(2)] }, host);
    try {
      await told(host, "steering_ready");
      using udp = new UdpClient(server.addresses[0]!, german);
      expect(addressesOf(await udp.ask(queryBytes()))).toEqual(bench.euWest);
      for (const router of bench.routers.slice(0, 2)) router.deafTo = other; // a part of the network is cut
      await told(host, "region_down");
      expect(addressesOf(await udp.ask(queryBytes()))).toEqual(bench.usEast);
      expect(addressesOf(await bench.ask(german))).toEqual(bench.euWest);
      expect(bench.told("region_down")).toEqual([]);
    } finally {
      await server.close();
    }
  });
});

/** Resolves once this was told. */
async function told(host: Host, type: string): Promise<void> {
  if (host.events.since(0).some((event) => event.type === type)) return;
  await new Promise<void>((resolve) => {
    const unsubscribe = host.events.subscribe((event) => {
      if (event.type !== type) return;
      unsubscribe();
      resolve();
    });
  });
}
