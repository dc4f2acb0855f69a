import { describe, expect, it } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { messageOf } from "#shared/core/error.ts";
import { parseType } from "../wire/codes.ts";
import { formatName, parseName } from "../wire/name.ts";
import type { OwnedSet } from "../wire/body.ts";
import { additionalOf } from "./additional.ts";
import { buildZones } from "./build.ts";
import { resolve } from "./resolve.ts";

const noFiles = { read: () => "", locate: (path: string) => path };

const soa = { primary: "ns1", contact: "hostmaster", negativeTtl: "30s" };
const apex = { NS: ["ns1"] };
const digest = "2BB183AF5F22588179A53B0A98631FAD1A292118";

function build(dnsZones: Record<string, unknown>) {
  const services = { web: { regions: {} } };
  return buildZones(geodnsSchema.parse({ listen: ["127.0.0.1:0"], regions: {}, services, dnsZones }).dnsZones, noFiles);
}

const { zones } = build({
  "a.test": {
    soa,
    records: {
      "@": { ...apex, MX: ["10 mail", "20 www", "30 ns.b.test."], HTTPS: ["1 . alpn=h2"], A: ["192.0.2.7"] },
      ns1: { A: ["192.0.2.1"], AAAA: ["2001:db8::1"] },
      mail: { A: ["192.0.2.2"] },
      www: { geo: "web" },
      "_sip._tcp": { SRV: ["0 0 5060 mail"] },
      sub: { NS: ["ns.sub", "ns.b.test.", "ns.other.example."], DS: [`1 13 1 ${digest}`] },
      "ns.sub": { A: ["192.0.2.3"] },
      plain: { NS: ["ns.b.test."] },
      into: { CNAME: "x.sub" },
      "*.wild": { CNAME: "y.sub" },
      tree: { DNAME: "b.test.", TXT: ["own"] },
      loop: { DNAME: "x.loop" },
      long: { DNAME: `${"a".repeat(60)}.${"b".repeat(60)}.${"c".repeat(60)}` },
      "a.*.star": { A: ["192.0.2.8"] },
    },
  },
  "b.test": { soa, records: { "@": { NS: ["ns"] }, ns: { A: ["192.0.2.4"] }, www: { A: ["192.0.2.5"] } } },
  "x.deep.a.test": { soa, records: { "@": { NS: ["ns"], A: ["192.0.2.6"] }, ns: { A: ["192.0.2.9"] } } },
});

const show = (sets: readonly OwnedSet[]) =>
  sets.flatMap(({ owner, set }) => set.texts.map((text) => `${formatName(owner)} ${text}`));

function ask(text: string, type = "A") {
  const resolution = resolve(zones, parseName(text, "")!, parseType(type)!);
  const { rcode, answers, referral, negative, zone } = resolution;
  const { glue, additional } = additionalOf(zones, resolution);
  return {
    rcode,
    answers: show(answers),
    referral: referral && `${formatName(referral.owner)} ${referral.cut.ns.texts.join(" ")}`,
    ds: referral?.cut.ds?.texts[0],
    glue: show(glue),
    additional: show(additional),
    soa: negative ? zone?.name : undefined,
  };
}

const toSub = {
  rcode: "NOERROR",
  referral: "sub.a.test. ns.sub.a.test. ns.b.test. ns.other.example.",
  ds: `1 13 1 ${digest}`,
  glue: ["ns.sub.a.test. 192.0.2.3"],
  additional: ["ns.b.test. 192.0.2.4"],
};

describe("delegations", () => {
  it.each([
    ["sub.a.test", "A"],
    ["sub.a.test", "NS"],
    ["sub.a.test", "ANY"],
    ["x.y.sub.a.test", "A"],
    ["ns.sub.a.test", "A"],
    ["x.sub.a.test", "DS"],
  ])("%s %s: a referral with glue", (name, type) => {
    expect(ask(name, type)).toMatchObject({ ...toSub, answers: [] });
  });

  it("DS at the cut is answered from above", () => {
    expect(ask("sub.a.test", "DS")).toMatchObject({ answers: [`sub.a.test. ${toSub.ds}`], referral: undefined });
    expect(ask("plain.a.test", "DS")).toMatchObject({
      rcode: "NOERROR",
      answers: [],
      soa: "a.test",
      referral: undefined,
    });
  });

  it("an alias into a delegation is answered, and then referred", () => {
    expect(ask("into.a.test")).toMatchObject({ ...toSub, answers: ["into.a.test. x.sub.a.test."] });
    expect(ask("q.wild.a.test")).toMatchObject({ ...toSub, answers: ["q.wild.a.test. y.sub.a.test."] });
  });

  it("a dnsZone below another answers for itself, and the one above for its DS", () => {
    expect(ask("x.deep.a.test")).toMatchObject({ answers: ["x.deep.a.test. 192.0.2.6"] });
    expect(ask("no.x.deep.a.test")).toMatchObject({ rcode: "NXDOMAIN", soa: "x.deep.a.test" });
    expect(ask("x.deep.a.test", "DS")).toMatchObject({ rcode: "NOERROR", answers: [], soa: "a.test" });
    expect(ask("deep.a.test")).toMatchObject({ rcode: "NOERROR", answers: [], soa: "a.test" });
    expect(ask("b.test", "DS")).toMatchObject({ rcode: "NOERROR", answers: [], soa: "b.test" });
  });
});

describe("what goes along", () => {
  it.each([
    { name: "a.test", type: "NS", additional: ["ns1.a.test. 192.0.2.1", "ns1.a.test. 2001:db8::1"] },
    { name: "a.test", type: "MX", additional: ["mail.a.test. 192.0.2.2", "ns.b.test. 192.0.2.4"] },
    { name: "_sip._tcp.a.test", type: "SRV", additional: ["mail.a.test. 192.0.2.2"] },
    { name: "a.test", type: "HTTPS", additional: ["a.test. 192.0.2.7"] },
    { name: "mail.a.test", type: "A", additional: [] },
  ])("$name $type: $additional", ({ name, type, additional }) => {
    expect(ask(name, type)).toMatchObject({ additional, glue: [] });
  });
});

describe("DNAME", () => {
  it.each([
    {
      name: "www.tree.a.test",
      type: "A",
      answers: ["tree.a.test. b.test.", "www.tree.a.test. www.b.test.", "www.b.test. 192.0.2.5"],
    },
    { name: "www.tree.a.test", type: "CNAME", answers: ["tree.a.test. b.test.", "www.tree.a.test. www.b.test."] },
    { name: "tree.a.test", type: "TXT", answers: ['tree.a.test. "own"'] },
    { name: "tree.a.test", type: "DNAME", answers: ["tree.a.test. b.test."] },
  ])("$name $type", ({ name, type, answers }) => {
    expect(ask(name, type)).toMatchObject({ rcode: "NOERROR", answers, soa: undefined });
  });

  it("to a name that is missing there: NXDOMAIN; itself it has no address", () => {
    expect(ask("no.tree.a.test")).toMatchObject({ rcode: "NXDOMAIN", soa: "b.test" });
    expect(ask("tree.a.test")).toMatchObject({ rcode: "NOERROR", answers: [], soa: "a.test" });
  });

  it("what gets too long is YXDOMAIN, and a loop ends", () => {
    expect(ask(`${"d".repeat(63)}.d.long.a.test`)).toMatchObject({ rcode: "YXDOMAIN", soa: undefined });
    expect(ask("q.loop.a.test").answers.length).toBeLessThanOrEqual(18);
  });
});

describe("wildcards", () => {
  it("one that only has names below it stands for names without records", () => {
    expect(ask("x.star.a.test")).toMatchObject({ rcode: "NOERROR", answers: [], soa: "a.test" });
    expect(ask("x.*.star.a.test")).toMatchObject({ rcode: "NXDOMAIN" });
    expect(ask("*.star.a.test")).toMatchObject({ rcode: "NOERROR", soa: "a.test" });
  });
});

describe("a zone file beside records of the config", () => {
  const file = "@ 1h SOA ns1 h 7 1h 1h 1h 60\n NS ns1\nns1 A 192.0.2.1\nwww TXT file\n";
  const buildWith = (config: Record<string, unknown>, text = file) => {
    const dnsZones = { "a.test": { file: "a.zone", ...config } };
    const schema = geodnsSchema.parse({
      listen: ["127.0.0.1:0"],
      regions: {},
      services: { web: { regions: {} } },
      dnsZones,
    });
    return buildZones(schema.dnsZones, { ...noFiles, read: () => text });
  };

  it("makes one dnsZone of both", () => {
    const built = buildWith({ records: { www: { geo: "web" }, mail: { A: ["192.0.2.2"] } } });
    const zone = built.zones.get(parseName("a.test", "")!)!;
    expect(built.files).toEqual(["a.zone"]);
    expect(zone.nodes.get(parseName("www.a.test", "")!)).toMatchObject({ steered: { service: "web" } });
    expect(zone.nodes.get(parseName("www.a.test", "")!)?.sets.get(16)?.texts).toEqual(['"file"']);
    expect(zone.negativeSoa.set).toMatchObject({ ttl: 60 });
    expect(zone.recordCount).toBe(6);
  });

  it("conflicts are told with both places", () => {
    const records = { ns1: { A: ["192.0.2.2"] }, www: { CNAME: "ns1" } };
    const where = "expected each set of records in the zone file or in the config";
    const build = () => buildWith({ soa, records }, `${file}x.test. A 192.0.2.9\nbad A x\n`);
    expect(() => build()).toThrow(
      [
        'a.zone:6:7: expected an IPv4 address, got "x"',
        `a.zone:1:1: ${where}, got a.test. SOA in both: the other one is at dnsZones["a.test"].soa (move the set to one of them)`,
        `a.zone:3:1: ${where}, got ns1.a.test. A in both: the other one is at dnsZones["a.test"].records.ns1.A[0] (move the set to one of them)`,
      ].join("\n"),
    );
    expect(() => buildWith({ records: { www: { CNAME: "ns1" } } }, `${file}x.test. A 192.0.2.9\n`)).toThrow(
      [
        "a.zone:5:1: x.test. is outside the dnsZone a.test.",
        'dnsZones["a.test"].records.www.CNAME: CNAME must stand alone, but www.a.test. has TXT too (RFC 1034 §3.6.2)',
      ].join("\n"),
    );
    const keys = `${file}@ DNSKEY 257 3 13 AAAA\n TYPE46 \\# 1 00\nwww CDNSKEY 257 3 13 AAAA\n`;
    expect(() => buildWith({ dnssec: { keys: "keys" } }, keys)).toThrow(
      [
        "a.zone:5:1: DNSKEY records of a signed dnsZone are made out of the keys in dnssec.keys",
        "a.zone:6:2: RRSIG records are made by the server, where the dnsZone is signed",
        "a.zone:7:1: CDNSKEY records of a signed dnsZone are made out of the keys in dnssec.keys",
      ].join("\n"),
    );
    expect(() => buildWith({}, "")).toThrow(
      'dnsZones["a.test"].file: expected an SOA record of a.test., got none in a.zone, and none here (add one there',
    );
  });
});

describe("dnsZones that cannot be served", () => {
  const complain = (records: Record<string, unknown>, top: Record<string, unknown> = apex, dnssec?: object) => {
    try {
      build({ "a.test": { soa, dnssec, records: { "@": top, ns1: { A: ["192.0.2.1"] }, ...records } } });
    } catch (error) {
      return messageOf(error).split("\n");
    }
    return [];
  };
  const at = (path: string) => `dnsZones["a.test"].records${path}: `;

  it.each([
    {
      name: "no NS",
      top: { A: ["192.0.2.1"] },
      message:
        'dnsZones["a.test"]: expected an NS record of a.test., got none (name the servers, such as "@": {NS: [ns1]}; RFC 1034 §4.2.1)',
    },
    {
      name: "DS at the top",
      top: { ...apex, DS: [`1 13 1 ${digest}`] },
      message: `${at('["@"].DS[0]')}DS stands in the dnsZone above, beside the NS there (RFC 4035 §2.4)`,
    },
    {
      name: "DS alone",
      records: { x: { DS: [`1 13 1 ${digest}`] } },
      message: `${at(".x.DS[0]")}DS stands beside NS, and x.a.test. has none (RFC 4035 §2.4)`,
    },
    {
      name: "a delegated wildcard",
      records: { "*.x": { NS: ["ns1"] } },
      message: `${at('["*.x"].NS[0]')}a wildcard cannot be delegated (RFC 4592 §4.2)`,
    },
    {
      name: "geo below a cut",
      records: { x: { NS: ["ns1"] }, "w.x": { geo: "web" } },
      message: `${at('["w.x"].geo')}w.x.a.test. is delegated with x.a.test.: geo cannot be answered`,
    },
    {
      name: "below a DNAME",
      records: { x: { DNAME: "b.test." }, "w.x": { A: ["192.0.2.1"] } },
      message: `${at('["w.x"].A[0]')}w.x.a.test. is below x.a.test., whose DNAME stands for all below it`,
    },
    {
      name: "a signature",
      records: { x: { TYPE46: ["\\# 1 00"] } },
      message: `${at(".x.TYPE46[0]")}RRSIG records are made by the server, where the dnsZone is signed`,
    },
    {
      name: "keys of other servers in a dnsZone that is signed here",
      dnssec: { keys: "keys" },
      records: { x: { CDS: [`1 13 1 ${digest}`] } },
      message: `${at(".x.CDS[0]")}CDS records of a signed dnsZone are made out of the keys in dnssec.keys`,
    },
    {
      name: "a type of questions",
      records: { x: { TYPE255: ["\\# 1 00"] } },
      message: `${at(".x.TYPE255[0]")}ANY is no type of records that can stand in a dnsZone`,
    },
    {
      name: "bad data",
      records: { x: { MX: ["mail"] } },
      message: `${at(".x.MX[0]")}expected a whole number 0..65535, got "mail"`,
    },
    {
      name: "two lines",
      records: { x: { MX: ["1 a\n2 b"] } },
      message: `${at(".x.MX[0]")}expected one record, got several lines`,
    },
  ])("$name", ({ top, records = {}, dnssec, message }) => {
    expect(complain(records, top, dnssec)).toEqual([message]);
  });

  it("what is odd only is warned of", () => {
    const { warnings } = build({
      "a.test": {
        soa,
        records: {
          "@": { NS: ["ns1", "alias"], MX: ["1 none"] },
          alias: { CNAME: "ns1" },
          ns1: { A: ["192.0.2.1", "192.0.2.1"] },
          x: { NS: ["ns.x"], TXT: ["hidden"] },
          "w.x": { TXT: ["hidden"] },
          y: { NS: ["ns1"] },
        },
      },
      "y.a.test": { soa, records: { "@": { NS: ["ns1.a.test."] } } },
      "z.a.test": { soa, records: { "@": { NS: ["ns1.a.test."] } } },
    });
    expect(warnings.map(({ message }) => message)).toEqual([
      "this record stands twice; it is served once",
      "a.test. NS leads to alias.a.test., which is a CNAME (RFC 2181 §10.3)",
      "a.test. MX leads to none.a.test., which has no address",
      "x.a.test. NS leads to ns.x.a.test., which nobody finds without glue: an A or AAAA here",
      "x.a.test. TXT is never answered: x.a.test. is delegated",
      "w.x.a.test. TXT is never answered: x.a.test. is delegated",
    ]);
  });
});
