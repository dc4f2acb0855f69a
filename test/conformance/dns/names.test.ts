import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dnsZone } from "#test/support/geodns.ts";
import { Rig, rcodes } from "./rig.ts";

const types = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33, DS: 43, SVCB: 64 };
const { HTTPS, CAA } = { HTTPS: 65, CAA: 257 };
const digest = "2BB183AF5F22588179A53B0A98631FAD1A292118";
const manyServers = Array.from({ length: 24 }, (_, i) => `ns${i}.name-server-of-a-long-name`);
const records = {
  only4: { A: ["192.0.2.1"] },
  "a.deep.ent": { A: ["192.0.2.7"] },
  "*.wild": { A: ["192.0.2.8"] },
  "there.wild": { TXT: ["blocks"] },
  "x.empty.wild": { A: ["192.0.2.9"] },
  c1: { CNAME: "c2" },
  c2: { CNAME: "only4" },
  away: { CNAME: "www.example.org." },
  nowhere: { CNAME: "not-there" },
  loop1: { CNAME: "loop2" },
  loop2: { CNAME: "loop1" },
  across: { CNAME: "host.other.test." },
  "alias-below": { CNAME: "x.sub" },
  sub: { NS: ["ns.sub", "ns.example.org."], DS: [`1 13 1 ${digest}`] },
  "ns.sub": { A: ["192.0.2.3"], AAAA: ["2001:db8::3"] },
  big: { NS: manyServers.map((host) => `${host}.big`) },
  ...Object.fromEntries(
    manyServers.map((host, i) => [`${host}.big`, { A: [`192.0.2.${i}`], AAAA: [`2001:db8::${i}`] }]),
  ),
  far: { NS: manyServers.map((host) => `${host}.near`) },
  ...Object.fromEntries(manyServers.map((host, i) => [`${host}.near`, { A: [`192.0.2.${i}`] }])),
  all: {
    MX: ["10 only4"],
    TXT: ["x".repeat(300)],
    CAA: ['0 issue "ca.example.org"'],
    PTR: ["only4"],
    SVCB: ["1 . alpn=h2 port=8443"],
    TYPE65280: ["\\# 3 010203"],
  },
  "_sip._tcp": { SRV: ["1 2 5060 only4"] },
  web: { geo: "web", HTTPS: { alpn: ["h2"], port: 8443 } },
};

let rig: Rig;
beforeAll(async () => {
  const soa = { primary: "ns1", contact: "hostmaster", negativeTtl: "30s" };
  const other = {
    soa: { ...soa, negativeTtl: "7d" },
    ttl: "1m",
    records: { "@": { NS: ["ns"] }, ns: { A: ["192.0.2.4"] } },
  };
  rig = await Rig.start(116, { dnsZones: { "stream.test": { ...dnsZone(records), soa }, "other.test": other } });
});
afterAll(() => rig[Symbol.asyncDispose]());

const ask = (name: string, type = types.A, udpBytes = 1_232) => rig.ask({ name, type, edns: { udpBytes } });
const soaOf = (zone: string) => [{ type: types.SOA, name: zone }];

describe("negative answers (RFC 2308, RFC 8020)", () => {
  it.each([
    { name: "a name that is not there", asked: "no.stream.test", rcode: rcodes.NXDOMAIN },
    { name: "a name below one that is there", asked: "no.only4.stream.test", rcode: rcodes.NXDOMAIN },
    { name: "an empty non-terminal", asked: "deep.ent.stream.test", rcode: rcodes.NOERROR },
    { name: "the one above it", asked: "ent.stream.test", rcode: rcodes.NOERROR },
    { name: "a service label without records", asked: "_tcp.stream.test", rcode: rcodes.NOERROR },
    {
      name: "a name with A alone, asked for AAAA",
      asked: "only4.stream.test",
      type: types.AAAA,
      rcode: rcodes.NOERROR,
    },
    { name: "the top, asked for what it has not", asked: "stream.test", type: types.MX, rcode: rcodes.NOERROR },
  ])("$name: the SOA, kept for the negative TTL", async ({ asked, type, rcode }) => {
    const reply = await ask(asked, type);
    expect(reply).toMatchObject({ rcode, aa: true, answers: [], authority: soaOf("stream.test") });
    expect(reply.authority[0]?.ttl).toBe(30);
  });

  it("the SOA is kept no longer than its own TTL", async () => {
    const [soa] = (await ask("no.other.test")).authority;
    expect(soa).toMatchObject({ name: "other.test", ttl: 60 });
  });
});

describe("wildcards (RFC 4592)", () => {
  it.each([
    { asked: "a.wild.stream.test", says: "stands for a name that is not there", rcode: rcodes.NOERROR, answers: 1 },
    { asked: "a.b.wild.stream.test", says: "and for names below it", rcode: rcodes.NOERROR, answers: 1 },
    { asked: "*.wild.stream.test", says: "can be asked for as it stands", rcode: rcodes.NOERROR, answers: 1 },
    { asked: "wild.stream.test", says: "is not the name above it", rcode: rcodes.NOERROR, answers: 0 },
    { asked: "there.wild.stream.test", says: "is blocked by a sibling", rcode: rcodes.NOERROR, answers: 0 },
    { asked: "a.there.wild.stream.test", says: "also for names below that", rcode: rcodes.NXDOMAIN, answers: 0 },
    { asked: "empty.wild.stream.test", says: "is blocked by an empty non-terminal", rcode: rcodes.NOERROR, answers: 0 },
    { asked: "y.empty.wild.stream.test", says: "and below it", rcode: rcodes.NXDOMAIN, answers: 0 },
  ])("$asked: $says", async ({ asked, rcode, answers }) => {
    const reply = await ask(asked);
    expect(reply).toMatchObject({ rcode, aa: true });
    expect(reply.answers.map(({ name, text }) => [name, text])).toEqual(
      Array.from({ length: answers }, () => [asked, "192.0.2.8"]),
    );
  });
});

describe("aliases (RFC 1034 §3.6.2, RFC 6604)", () => {
  it.each([
    { asked: "c1.stream.test", owners: ["c1", "c2", "only4"], rcode: rcodes.NOERROR },
    { asked: "away.stream.test", owners: ["away"], rcode: rcodes.NOERROR },
    { asked: "nowhere.stream.test", owners: ["nowhere"], rcode: rcodes.NXDOMAIN },
  ])("$asked is followed inside our dnsZones: $owners", async ({ asked, owners, rcode }) => {
    const reply = await ask(asked);
    expect(reply).toMatchObject({ rcode, aa: true });
    expect(reply.answers.map(({ name }) => name)).toEqual(owners.map((owner) => `${owner}.stream.test`));
  });

  it("asked for itself an alias is not followed", async () => {
    const any = 255;
    for (const type of [types.CNAME, any])
      expect((await ask("c1.stream.test", type)).answers).toMatchObject([{ type: 5, text: "c2.stream.test" }]);
  });

  it("into another dnsZone of ours the answer is that one's", async () => {
    expect(await ask("across.stream.test")).toMatchObject({ rcode: rcodes.NXDOMAIN, authority: soaOf("other.test") });
  });

  it("a loop ends", async () => {
    const reply = await ask("loop1.stream.test");
    expect(reply.aa).toBe(true);
    expect(reply.answers.length).toBeGreaterThan(0);
    expect(reply.answers.length).toBeLessThanOrEqual(16);
  });
});

describe("delegations (RFC 1034 §4.3.2, RFC 9471)", () => {
  it.each(["sub.stream.test", "x.sub.stream.test", "ns.sub.stream.test", "a.b.c.sub.stream.test"])(
    "%s: NS and glue, AA clear",
    async (asked) => {
      const reply = await ask(asked);
      expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: false, tc: false, answers: [] });
      expect(reply.authority.filter(({ type }) => type === types.NS)).toHaveLength(2);
      expect(reply.additional.map(({ name, type }) => [name, type])).toEqual([
        ["ns.sub.stream.test", types.A],
        ["ns.sub.stream.test", types.AAAA],
        ["", 41],
      ]);
    },
  );

  it("DS is answered here, with AA", async () => {
    expect(await ask("sub.stream.test", types.DS)).toMatchObject({ aa: true, answers: [{ type: types.DS }] });
    expect(await ask("big.stream.test", types.DS)).toMatchObject({
      aa: true,
      answers: [],
      authority: soaOf("stream.test"),
    });
  });

  it("behind an alias of ours AA stays", async () => {
    const reply = await ask("alias-below.stream.test");
    expect(reply).toMatchObject({ aa: true, answers: [{ type: types.CNAME }] });
    expect(reply.authority.every(({ type }) => type === types.NS)).toBe(true);
  });

  it("glue inside the delegation that does not fit sets TC; over TCP all of it comes", async () => {
    const reply = await ask("x.big.stream.test", types.A, 1_232);
    expect(reply).toMatchObject({ tc: true, aa: false });
    expect(reply.authority).toHaveLength(24);
    const whole = await rig.askTcp({ name: "x.big.stream.test", edns: {} });
    expect(whole.tc).toBe(false);
    expect(whole.additional.filter(({ type }) => type !== 41)).toHaveLength(48);
  });

  it("addresses of name servers beside it are left out without TC", async () => {
    const reply = await ask("x.far.stream.test", types.A, 900);
    expect(reply).toMatchObject({ tc: false, aa: false });
    expect(reply.authority).toHaveLength(24);
    expect((await rig.askTcp({ name: "x.far.stream.test", edns: {} })).additional).toHaveLength(25);
  });
});

describe("records of every kind", () => {
  it.each([
    { type: types.MX, data: /^000a/ },
    { type: types.TXT, data: new RegExp(`^ff${"78".repeat(255)}2d${"78".repeat(45)}$`) },
    { type: CAA, data: /^00056973737565/ },
    { type: types.PTR, data: /^(05|c0)/ },
    { type: types.SVCB, data: /^000100000100030268320003000220fb$/ },
    { type: 65_280, data: /^010203$/ },
  ])("type $type", async ({ type, data }) => {
    const { answers } = await ask("all.stream.test", type);
    expect(answers).toMatchObject([{ type }]);
    expect(answers[0]?.data.toString("hex")).toMatch(data);
  });

  it("SRV names its host whole, and its addresses come along", async () => {
    const { answers, additional } = await ask("_sip._tcp.stream.test", types.SRV);
    expect(answers[0]?.data.toString("latin1")).toBe("\0\x01\0\x02\x13\xc4\x05only4\x06stream\x04test\0");
    expect(additional).toMatchObject([{ name: "only4.stream.test", text: "192.0.2.1" }, { type: 41 }]);
  });

  it("HTTPS of a steered name: alpn, port and hints of the region that A names (RFC 9460)", async () => {
    const hex = (await ask("web.stream.test", HTTPS)).answers[0]?.data.toString("hex") ?? "";
    expect(hex.startsWith("000100")).toBe(true);
    expect(hex).toContain("000100030268320003000220fb");
    for (const { data: address } of (await ask("web.stream.test")).answers)
      expect(hex).toContain(address.toString("hex"));
  });
});
