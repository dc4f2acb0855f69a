import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { ecs, nameBytes } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { addressesOf, ask } from "#test/support/geodns-answers.ts";
import { allUp, region, snapshotOf } from "#test/support/geodns-snapshot.ts";
import { decide } from "./decide.ts";
import { buildIdentity } from "./snapshot.ts";
import { parseName } from "./wire/name.ts";

const rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 };

describe("flags and refusals", () => {
  it("AA is set and RA clear; RD comes back, Z, AD, CD, TC and RA of the query do not", () => {
    expect(ask({ flags: 0x03f0 })).toMatchObject({
      rcode: 0,
      qr: true,
      aa: true,
      tc: false,
      rd: true,
      ra: false,
      reserved: 0,
      opt: undefined,
    });
    expect(ask({})).toMatchObject({ rd: false });
  });

  it.each([
    { name: "an opcode we do not know", query: { flags: 4 << 11 }, rcode: rcode.NOTIMP, opcode: 4, question: 0 },
    { name: "no question", query: { questions: 0 }, rcode: rcode.FORMERR, opcode: 0, question: 0 },
    { name: "class HS", query: { class: 4 }, rcode: rcode.REFUSED, opcode: 0, question: 21 },
    { name: "AXFR", query: { name: "stream.test", type: 252 }, rcode: rcode.REFUSED, opcode: 0, question: 17 },
    { name: "IXFR", query: { name: "stream.test", type: 251 }, rcode: rcode.REFUSED, opcode: 0, question: 17 },
    { name: "another domain", query: { name: "example.org" }, rcode: rcode.REFUSED, opcode: 0, question: 17 },
    { name: "EDNS version 1", query: { edns: { version: 1 } }, rcode: rcode.BADVERS, opcode: 0, question: 21 },
  ])("$name", ({ query, rcode: expected, opcode, question }) => {
    const reply = ask(query)!;
    expect(reply).toMatchObject({ rcode: expected, opcode, aa: false, answers: [], authority: [] });
    expect(reply.question).toHaveLength(question);
  });

  it("a malformed subnet is not echoed", () => {
    const reply = ask({ edns: { options: [ecs(1, 20, [81, 2, 69])] } });
    expect(reply).toMatchObject({ rcode: rcode.FORMERR, opt: { version: 0, options: new Map() } });
  });
});

describe("a decision says why", () => {
  const decided = (query: QueryOptions, snapshot = snapshotOf()) =>
    decide(
      { name: parseName(query.name ?? "www.stream.test", "")!, type: query.type ?? 1, class: query.class ?? 1 },
      asker,
      snapshot,
    );
  const asker = { client: parseAddress("127.49.0.7")!, subnet: undefined };
  const allDown = snapshotOf([
    region("eu-west", { "192.0.2.1": "down" }),
    region("us-east", { "198.51.100.1": "down" }),
  ]);
  it.each([
    { name: "steered", query: {}, says: { reason: "OK", rule: "continent EU" } },
    { name: "failed open", query: {}, snapshot: allDown, says: { reason: "FAIL_OPEN", rule: "continent EU" } },
    {
      name: "before the first health round",
      query: {},
      snapshot: snapshotOf(allUp, false),
      says: { reason: "STARTING", rule: "first health round of web" },
    },
    { name: "static", query: { name: "ns1.stream.test" }, says: { reason: "OK", rule: "static records" } },
    { name: "no such name", query: { name: "no.stream.test" }, says: { reason: "OK", rule: "static records" } },
    {
      name: "another domain",
      query: { name: "example.org" },
      says: { reason: "NOT_OUR_ZONE", rule: "outside every DNS zone" },
    },
    {
      name: "a transfer",
      query: { name: "stream.test", type: 252 },
      says: { reason: "NOT_SERVED", rule: "zone transfers are not served" },
    },
    { name: "class HS", query: { class: 4 }, says: { reason: "NOT_SERVED", rule: "a class that is not served" } },
    { name: "class CH", query: { name: "id.server", type: 16, class: 3 }, says: { reason: "OK", rule: "identity" } },
  ])("$name: $says.reason, $says.rule", ({ query, snapshot, says }) => {
    expect(decided(query, snapshot)).toMatchObject(says);
  });
});

describe("class CH", () => {
  it.each([
    { name: "id.server", text: "\x03ns1" },
    { name: "VERSION.bind", text: "\x09watershed" },
  ])("$name", ({ name, text }) => {
    expect(ask({ name, type: 16, class: 3 })).toMatchObject({ rcode: 0, answers: [{ class: 3, ttl: 0, text }] });
  });

  it.each([
    { name: "authors.bind", type: 16 },
    { name: "id.server", type: 1 },
    { name: "www.stream.test", type: 1 },
  ])("refuses $name of type $type", ({ name, type }) => {
    expect(ask({ name, type, class: 3 })).toMatchObject({ rcode: rcode.REFUSED });
  });

  it("refuses all of it where nothing is configured", () => {
    const snapshot = { ...snapshotOf(), identity: buildIdentity({}) };
    expect(ask({ name: "id.server", type: 16, class: 3 }, { snapshot })).toMatchObject({ rcode: rcode.REFUSED });
    expect(ask({ edns: { options: [[3, Buffer.alloc(0)]] } }, { snapshot })?.opt?.options.has(3)).toBe(false);
  });
});

describe("steered answers", () => {
  it("follow the source address, rotate, and hold as many addresses as configured", () => {
    const snapshot = snapshotOf();
    expect(addressesOf(ask({}, { snapshot }))).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(addressesOf(ask({}, { snapshot }))).toEqual(["192.0.2.2", "192.0.2.3"]);
    expect(addressesOf(ask({}, { snapshot, client: "127.1.0.7" }))).toEqual(["198.51.100.1", "198.51.100.2"]);
  });

  it("the subnet goes before the source address, and comes back with the scope", () => {
    const reply = ask({ edns: { options: [ecs(1, 24, [127, 1, 9])] } });
    expect(addressesOf(reply)).toEqual(["198.51.100.1", "198.51.100.2"]);
    expect(reply?.opt?.options.get(8)).toEqual(Buffer.of(0, 1, 24, 16, 127, 1, 9));
  });

  it.each([
    { name: "an override nested in another", option: ecs(1, 24, [127, 49, 7]), scope: 24 },
    { name: "beside the nested one", option: ecs(1, 24, [127, 49, 6]), scope: 24 },
    { name: "far from the nested one", option: ecs(1, 24, [127, 49, 200]), scope: 17 },
    { name: "IPv6", option: ecs(2, 48, [0x20, 1, 0xd, 0xb8, 0, 1]), scope: 32 },
    { name: "hidden", option: ecs(1, 0, []), scope: 0 },
  ])("the scope of $name is $scope, whatever the health", ({ option, scope }) => {
    const down = [region("eu-west", { "192.0.2.1": "down" }), region("us-east", { "198.51.100.1": "down" })];
    for (const snapshot of [snapshotOf(), snapshotOf(down)]) {
      const echoed = ask({ edns: { options: [option] } }, { snapshot })?.opt?.options.get(8);
      expect(echoed).toEqual(Buffer.from(option[1]).fill(scope, 3, 4));
    }
  });

  it("a hidden client is answered by the source address", () => {
    const reply = ask({ edns: { options: [ecs(1, 0, [])] } }, { client: "127.1.0.7" });
    expect(addressesOf(reply)).toEqual(["198.51.100.1", "198.51.100.2"]);
  });

  it.each(["ns1.stream.test", "no.stream.test", "example.org"])("static: %s has scope 0", (name) => {
    expect(ask({ name, edns: { options: [ecs(1, 24, [127, 1, 9])] } })?.opt?.options.get(8)?.[3]).toBe(0);
  });

  it("A and AAAA name the same region: NODATA where it has no AAAA", () => {
    expect(ask({ type: 28 })?.answers.map(({ text }) => text)).toEqual(["20010db8000000000000000000000001"]);
    const reply = ask({ type: 28 }, { client: "127.1.0.7" });
    expect(reply).toMatchObject({ rcode: 0, aa: true, answers: [], authority: [{ type: 6, ttl: 30 }] });
  });

  it("an alias comes before what it leads to, in the case that was asked for", () => {
    const reply = ask({ name: "ApI.stream.TEST" })!;
    expect(reply.answers.map(({ name, type, ttl }) => [name, type, ttl])).toEqual([
      ["ApI.stream.TEST", 5, 300],
      ["www.stream.TEST", 1, 10],
      ["www.stream.TEST", 1, 10],
    ]);
  });
});

describe("health", () => {
  it.each([
    {
      name: "an address that is down is left out",
      regions: [region("eu-west", { "192.0.2.1": "down", "192.0.2.2": "up" }), allUp[1]!],
      addresses: ["192.0.2.2"],
    },
    {
      name: "draining and disabled ones too",
      regions: [region("eu-west", { "192.0.2.1": "draining", "192.0.2.2": "disabled", "192.0.2.3": "up" }), allUp[1]!],
      addresses: ["192.0.2.3"],
    },
    {
      name: "a region that is down gives way to the next",
      regions: [region("eu-west", { "192.0.2.1": "down", "192.0.2.2": "draining" }), allUp[1]!],
      addresses: ["198.51.100.1", "198.51.100.2"],
    },
    {
      name: "all are down: every address answers",
      regions: [
        region("eu-west", { "192.0.2.1": "down", "192.0.2.2": "down", "192.0.2.3": "unknown" }),
        region("us-east", { "198.51.100.1": "draining", "198.51.100.2": "disabled" }),
      ],
      addresses: ["192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.1"],
    },
    {
      name: "all are disabled: every address answers all the same",
      regions: [region("eu-west", { "192.0.2.1": "disabled" }), region("us-east", { "198.51.100.1": "disabled" })],
      addresses: ["192.0.2.1", "198.51.100.1"],
    },
  ])("$name", ({ regions, addresses }) => {
    const reply = ask({}, { snapshot: snapshotOf(regions) });
    expect(reply?.rcode).toBe(0);
    expect(addressesOf(reply)?.toSorted()).toEqual(addresses);
  });

  it("before the first round: SERVFAIL with the reason for steered names, an answer for the others", () => {
    const snapshot = snapshotOf(allUp, false);
    const reply = ask({ edns: {} }, { snapshot });
    expect(reply).toMatchObject({ rcode: rcode.SERVFAIL, aa: false, answers: [] });
    expect(reply?.opt?.options.get(15)?.readUInt16BE(0)).toBe(14);
    expect(ask({ name: "ns1.stream.test" }, { snapshot })).toMatchObject({
      rcode: 0,
      answers: [{ text: "127.53.0.1" }],
    });
  });
});

describe("size", () => {
  it.each([
    { name: "no EDNS", query: {}, max: 512 },
    { name: "a small EDNS size", query: { edns: { udpBytes: 100 } }, max: 512 },
    { name: "a large EDNS size", query: { edns: { udpBytes: 65_535 } }, max: 1_232 },
  ])("over UDP with $name a long answer is cut", ({ query, max }) => {
    const reply = ask({ name: "big.stream.test", type: 16, ...query })!;
    expect(reply).toMatchObject({ tc: true, answers: [] });
    expect(reply.bytes).toBeLessThanOrEqual(max);
  });

  it("over TCP it is whole", () => {
    const reply = ask({ name: "big.stream.test", type: 16 }, { transport: "tcp" })!;
    expect(reply).toMatchObject({ tc: false, answers: [{ type: 16 }] });
    expect(reply.bytes).toBeGreaterThan(3_000);
  });

  it("the longest question with every option still fits 512 bytes", () => {
    const name = [63, 63, 63, 49].map((length) => "a".repeat(length)).join(".") + ".stream.test";
    const identity = buildIdentity({ id: "x".repeat(128) });
    const options = [[3, Buffer.alloc(0)], ecs(2, 128, Array<number>(16).fill(1))] as const;
    const reply = ask({ name, edns: { udpBytes: 512, options } }, { snapshot: { ...snapshotOf(), identity } })!;
    expect(nameBytes(name)).toHaveLength(255);
    expect(reply).toMatchObject({ rcode: rcode.NXDOMAIN });
    expect(reply.bytes).toBeLessThanOrEqual(512);
  });
});
