import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UdpClient, ecs, queryBytes } from "#test/support/dns.ts";
import { addressesOf, dnsZone } from "#test/support/geodns.ts";
import { Rig, optionCodes, rcodes } from "./rig.ts";

const records = { sub: { NS: ["ns.example.org."] } };
const probes = 400;
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(117, { dnsZones: { "stream.test": dnsZone(records) } });
});
afterAll(() => rig[Symbol.asyncDispose]());

const asking = (option: readonly [number, Uint8Array], name = "www.stream.test") => ({
  name,
  edns: { options: [option] },
});

describe("the option in a reply (RFC 7871 §7.2)", () => {
  it.each([
    { name: "IPv4", option: ecs(1, 24, [81, 2, 69]) },
    { name: "IPv4, whole", option: ecs(1, 32, [81, 2, 69, 142]) },
    { name: "IPv4, a prefix between bytes", option: ecs(1, 21, [81, 2, 64]) },
    { name: "IPv6", option: ecs(2, 56, [0x20, 1, 0xd, 0xb8, 0, 1, 2]) },
  ])("$name: family, source and address come back as they were, scope from the tree", async ({ option }) => {
    const { opt, rcode } = await rig.ask(asking(option));
    expect(rcode).toBe(rcodes.NOERROR);
    const value = opt?.options.get(optionCodes.ecs) ?? Buffer.alloc(4);
    const scope = value[3] ?? 0;
    expect(scope).toBeGreaterThan(0);
    const unscoped = Buffer.from(value);
    unscoped[3] = 0;
    expect(unscoped).toEqual(option[1]);
  });

  it.each([
    { name: "a client that hides its address", option: ecs(1, 0, []), asked: "www.stream.test" },
    { name: "IPv6, hidden", option: ecs(2, 0, []), asked: "www.stream.test" },
    { name: "a static record", option: ecs(1, 24, [81, 2, 69]), asked: "ns1.stream.test" },
    { name: "no such name", option: ecs(1, 24, [81, 2, 69]), asked: "no.stream.test" },
    { name: "no such type", option: ecs(1, 24, [81, 2, 69]), asked: "stream.test" },
    { name: "below a delegation", option: ecs(1, 24, [81, 2, 69]), asked: "x.sub.stream.test" },
    { name: "outside every dnsZone", option: ecs(1, 24, [81, 2, 69]), asked: "example.org" },
  ])("$name: scope 0", async ({ option, asked }) => {
    const { opt } = await rig.ask(asking(option, asked));
    expect(opt?.options.get(optionCodes.ecs)).toEqual(option[1]);
  });

  it("is there only if it was asked for", async () => {
    expect((await rig.ask({ edns: {} })).opt?.options.has(optionCodes.ecs)).toBe(false);
    expect((await rig.ask()).opt).toBeUndefined();
  });
});

describe("an option that is malformed is FORMERR (RFC 7871 §7.1.2)", () => {
  it.each([
    { name: "bits set behind the prefix", option: ecs(1, 20, [81, 2, 0x41]) },
    { name: "a scope in a query", option: ecs(1, 24, [81, 2, 69], 24) },
    { name: "an unknown family", option: ecs(3, 24, [81, 2, 69]) },
    { name: "family 0 with an address", option: ecs(0, 8, [81]) },
    { name: "a prefix over 32", option: ecs(1, 33, [81, 2, 69, 142, 0]) },
    { name: "a prefix over 128", option: ecs(2, 129, Array<number>(17).fill(0)) },
    { name: "an address that is too long", option: ecs(1, 24, [81, 2, 69, 0]) },
    { name: "an address that is too short", option: ecs(1, 24, [81, 2]) },
    { name: "half an option", option: [8, Buffer.of(0, 1, 24)] as const },
    { name: "nothing in it", option: [8, Buffer.alloc(0)] as const },
  ])("$name", async ({ option }) => {
    for (const name of ["www.stream.test", "ns1.stream.test"])
      expect(await rig.ask(asking(option, name))).toMatchObject({
        rcode: rcodes.FORMERR,
        answers: [],
        opt: { version: 0 },
      });
  });

  it("two of them", async () => {
    const options = [ecs(1, 24, [81, 2, 69]), ecs(1, 24, [81, 2, 69])];
    expect((await rig.ask({ edns: { options } })).rcode).toBe(rcodes.FORMERR);
  });
});

describe("scopes of any subnets", () => {
  it("are equal or disjoint, and every address inside one gets the same region", async () => {
    using udp = new UdpClient(rig.address);
    const askFor = async (address: number) => {
      const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);
      const reply = await udp.ask(queryBytes(asking(ecs(1, 32, bytes))));
      const scope = reply.opt?.options.get(optionCodes.ecs)?.[3] ?? 0;
      return { scope, region: addressesOf(reply).join() };
    };
    const masked = (address: number, bits: number) => (bits === 0 ? 0 : (address & (-1 << (32 - bits))) >>> 0);
    const regionOf = new Map<string, string>();
    const depths = new Set<number>();
    const networks: { network: number; scope: number }[] = [];
    for (const [address, inside] of fc.sample(fc.tuple(fc.nat(0xffff_ffff), fc.nat(0xffff_ffff)), {
      numRuns: probes,
      seed: 7,
    })) {
      const one = await askFor(address);
      const network = masked(address, one.scope);
      // Another address of the same scope.
      const other = await askFor((network | (inside & ~masked(0xffff_ffff, one.scope))) >>> 0);
      expect(other).toEqual(one);
      const key = `${network}/${one.scope}`;
      expect(regionOf.get(key) ?? one.region).toBe(one.region);
      if (!regionOf.has(key)) networks.push({ network, scope: one.scope });
      regionOf.set(key, one.region);
      depths.add(one.scope);
    }
    expect(depths.size).toBeGreaterThan(4);
    const overlaps = networks.filter((one) =>
      networks.some(
        (other) => other !== one && other.scope >= one.scope && masked(other.network, one.scope) === one.network,
      ),
    );
    expect(overlaps).toEqual([]);
  });

  it("do not change when a region goes down, though the answer does", async () => {
    const option = ecs(1, 24, [127, 49, 7]);
    const before = await rig.ask(asking(option));
    const [pool] = [...rig.bench.server.pools()];
    for (const host of rig.bench.euWest) expect(pool?.setEndpointState(host, "disabled")).toBe(true);
    const after = await rig.ask(asking(option));
    for (const host of rig.bench.euWest) pool?.setEndpointState(host, "enabled");
    expect(after.opt).toEqual(before.opt);
    expect(addressesOf(before)).toEqual(rig.bench.euWest);
    expect(addressesOf(after)).toEqual(rig.bench.usEast);
  });
});
