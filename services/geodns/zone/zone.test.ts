import { describe, expect, it } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { types } from "../wire/codes.ts";
import { formatName, parseName } from "../wire/name.ts";
import { resolve } from "./resolve.ts";
import { buildZones } from "./build.ts";

const noFiles = { read: () => "", locate: (path: string) => path };

const soa = { primary: "ns1", contact: "hostmaster", negativeTtl: "30s" };

function zonesOf(dnsZones: Record<string, unknown>) {
  const config = geodnsSchema.parse({
    listen: ["127.0.0.1:0"],
    regions: {},
    services: { web: { regions: {} } },
    dnsZones,
  });
  return buildZones(config.dnsZones, noFiles).zones;
}

const zones = zonesOf({
  "stream.test": {
    soa,
    ttl: "5m",
    records: {
      "@": { NS: ["ns1", "ns2.other.test."], TXT: ["v=spf1 -all"], geo: "web" },
      ns1: { A: ["127.53.0.1"] },
      WWW: { geo: "web", ttl: "20s" },
      api: { CNAME: "www" },
      "*.img": { CNAME: "www" },
      "sub.img": { A: ["192.0.2.1"] },
      "a.b.c": { A: ["192.0.2.2"], ttl: "1m" },
      "*.wild": { A: ["192.0.2.3"] },
      loop1: { CNAME: "loop2" },
      loop2: { CNAME: "loop1" },
      "*.self": { CNAME: "x.self" },
      out: { CNAME: "www.example.org." },
      gone: { CNAME: "nothing" },
      over: { CNAME: "www.other.test." },
      ...Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`c${i}`, { CNAME: `c${i + 1}` }])),
    },
  },
  "other.test": {
    soa: { ...soa, negativeTtl: "1h" },
    ttl: "10m",
    records: { "@": { NS: ["www"] }, www: { A: ["192.0.2.9"], AAAA: ["2001:db8::9"] } },
  },
  "deep.stream.test": { soa, records: { "@": { A: ["192.0.2.8"], NS: ["@"] } } },
});

function ask(text: string, type: keyof typeof types | number = "A") {
  const name = parseName(text, "")!;
  const { rcode, answers, steered, negative, zone } = resolve(
    zones,
    name,
    typeof type === "number" ? type : types[type],
  );
  return {
    rcode,
    answers: answers.map(({ owner, set }) => `${formatName(owner)} ${set.ttl} ${set.texts.join(",")}`),
    steered: steered && `${formatName(steered.owner)} ${steered.service} ${steered.ttl}`,
    negative,
    soa: negative ? `${formatName(zone!.negativeSoa.owner)} ${zone!.negativeSoa.set.ttl}` : undefined,
  };
}

describe("records", () => {
  it.each([
    { name: "ns1.stream.test", type: "A", answers: ["ns1.stream.test. 300 127.53.0.1"] },
    { name: "a.b.c.stream.test", type: "A", answers: ["a.b.c.stream.test. 60 192.0.2.2"] },
    { name: "www.other.test", type: "AAAA", answers: ["www.other.test. 600 2001:db8::9"] },
    { name: "stream.test", type: "NS", answers: ["stream.test. 300 ns1.stream.test.,ns2.other.test."] },
    { name: "stream.test", type: "TXT", answers: ['stream.test. 300 "v=spf1 -all"'] },
    {
      name: "stream.test",
      type: "SOA",
      answers: ["stream.test. 300 ns1.stream.test. hostmaster.stream.test. 1 3600 600 604800 30"],
    },
    { name: "api.stream.test", type: "CNAME", answers: ["api.stream.test. 300 www.stream.test."] },
    { name: "deep.stream.test", type: "A", answers: ["deep.stream.test. 300 192.0.2.8"] },
  ] as const)("$name $type", ({ name, type, answers }) => {
    expect(ask(name, type)).toMatchObject({ rcode: "NOERROR", answers, negative: false });
  });

  it("outside every dnsZone: refused", () => {
    for (const name of ["example.org", "test", ".", "xstream.test"])
      expect(ask(name)).toMatchObject({ rcode: "REFUSED", answers: [] });
  });
});

describe("negative answers", () => {
  it.each([
    { name: "no.stream.test", type: "A", rcode: "NXDOMAIN", soa: "stream.test. 30" },
    { name: "no.other.test", type: "A", rcode: "NXDOMAIN", soa: "other.test. 600" },
    { name: "below.ns1.stream.test", type: "A", rcode: "NXDOMAIN", soa: "stream.test. 30" },
    { name: "no.stream.test", type: "ANY", rcode: "NXDOMAIN", soa: "stream.test. 30" },
    { name: "ns1.stream.test", type: "AAAA", rcode: "NOERROR", soa: "stream.test. 30" },
    { name: "ns1.stream.test", type: 9_999, rcode: "NOERROR", soa: "stream.test. 30" },
    { name: "b.c.stream.test", type: "A", rcode: "NOERROR", soa: "stream.test. 30" },
    { name: "c.stream.test", type: "ANY", rcode: "NOERROR", soa: "stream.test. 30" },
    { name: "wild.stream.test", type: "A", rcode: "NOERROR", soa: "stream.test. 30" },
    { name: "deep.stream.test", type: "TXT", rcode: "NOERROR", soa: "deep.stream.test. 30" },
    { name: "www.stream.test", type: "TXT", rcode: "NOERROR", soa: "stream.test. 30" },
  ] as const)("$name $type: $rcode", ({ name, type, rcode, soa: expected }) => {
    expect(ask(name, type)).toMatchObject({ rcode, answers: [], negative: true, soa: expected });
  });
});

describe("wildcards", () => {
  it.each([
    { name: "x.wild.stream.test", answers: ["x.wild.stream.test. 300 192.0.2.3"], rcode: "NOERROR" },
    { name: "x.y.wild.stream.test", answers: ["x.y.wild.stream.test. 300 192.0.2.3"], rcode: "NOERROR" },
    { name: "*.wild.stream.test", answers: ["*.wild.stream.test. 300 192.0.2.3"], rcode: "NOERROR" },
    { name: "sub.img.stream.test", answers: ["sub.img.stream.test. 300 192.0.2.1"], rcode: "NOERROR" },
    { name: "x.sub.img.stream.test", answers: [], rcode: "NXDOMAIN" },
    { name: "x.stream.test", answers: [], rcode: "NXDOMAIN" },
  ])("$name: $rcode $answers", ({ name, answers, rcode }) => {
    expect(ask(name)).toMatchObject({ rcode, answers });
  });

  it("have no other types", () => {
    expect(ask("x.wild.stream.test", "AAAA")).toMatchObject({ rcode: "NOERROR", negative: true });
  });

  it("stand for names with any bytes in them", () => {
    const odd = "\x03a.b\x04wild\x06stream\x04test";
    expect(resolve(zones, odd, types.A).answers[0]?.owner).toBe(odd);
  });
});

describe("steered names", () => {
  it.each([
    { name: "www.stream.test", type: "A", answers: [], steered: "www.stream.test. web 20" },
    { name: "www.stream.test", type: "AAAA", answers: [], steered: "www.stream.test. web 20" },
    { name: "stream.test", type: "A", answers: [], steered: "stream.test. web undefined" },
    {
      name: "api.stream.test",
      type: "A",
      answers: ["api.stream.test. 300 www.stream.test."],
      steered: "www.stream.test. web 20",
    },
    {
      name: "7.img.stream.test",
      type: "AAAA",
      answers: ["7.img.stream.test. 300 www.stream.test."],
      steered: "www.stream.test. web 20",
    },
  ] as const)("$name $type", ({ name, type, answers, steered }) => {
    expect(ask(name, type)).toMatchObject({ rcode: "NOERROR", answers, steered, negative: false });
  });
});

describe("aliases", () => {
  it.each([
    {
      name: "over.stream.test",
      expected: {
        rcode: "NOERROR",
        answers: ["over.stream.test. 300 www.other.test.", "www.other.test. 600 192.0.2.9"],
        negative: false,
      },
    },
    {
      name: "out.stream.test",
      expected: { rcode: "NOERROR", answers: ["out.stream.test. 300 www.example.org."], negative: false },
    },
    {
      name: "gone.stream.test",
      expected: { rcode: "NXDOMAIN", answers: ["gone.stream.test. 300 nothing.stream.test."], soa: "stream.test. 30" },
    },
    {
      name: "loop1.stream.test",
      expected: {
        rcode: "NOERROR",
        answers: ["loop1.stream.test. 300 loop2.stream.test.", "loop2.stream.test. 300 loop1.stream.test."],
        negative: false,
      },
    },
    {
      name: "y.self.stream.test",
      expected: {
        answers: ["y.self.stream.test. 300 x.self.stream.test.", "x.self.stream.test. 300 x.self.stream.test."],
      },
    },
  ])("$name", ({ name, expected }) => {
    expect(ask(name)).toMatchObject(expected);
  });

  it("a chain ends after a bounded number of steps", () => {
    expect(ask("c0.stream.test").answers).toHaveLength(9);
  });

  it("to nothing of this type is a negative answer behind the alias", () => {
    expect(ask("over.stream.test", "TXT")).toMatchObject({ rcode: "NOERROR", negative: true, soa: "other.test. 600" });
  });
});

describe("ANY", () => {
  it.each(["stream.test", "www.stream.test", "ns1.stream.test"])("%s: one HINFO", (name) => {
    expect(ask(name, "ANY")).toMatchObject({ rcode: "NOERROR", answers: [`${name}. 300 "RFC8482" ""`] });
  });

  it.each(["api.stream.test", "x.img.stream.test"])("%s: its CNAME alone", (name) => {
    expect(ask(name, "ANY")).toMatchObject({ rcode: "NOERROR", answers: [`${name}. 300 www.stream.test.`] });
  });
});
