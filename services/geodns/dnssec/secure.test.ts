import { describe, expect, it } from "vitest";
import { ecs } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { ask as askServer } from "#test/support/geodns-answers.ts";
import { signersOf, unsignedOf } from "#test/support/dnssec.ts";
import { allUp, region, signedSnapshotOf, snapshotOf } from "#test/support/geodns-snapshot.ts";
import type { Transport } from "../answer.ts";
import type { Snapshot } from "../snapshot.ts";
import { types } from "../wire/codes.ts";
import { typeBitmap } from "./denial.ts";

const dnssecOk = 0x8000;
const compactOk = 0x4000;
const { signers, key } = signersOf();
const snapshot = signedSnapshotOf(signers);

interface Asked {
  readonly client?: string | undefined;
  readonly transport?: Transport;
  readonly of?: Snapshot;
}

function ask(query: QueryOptions, { client = "127.49.0.7", transport = "udp", of = snapshot }: Asked = {}) {
  return askServer(query, { client, transport, snapshot: of })!;
}

const withDo = { edns: { flags: dnssecOk } };
const typesOf = (records: readonly { type: number }[]) => records.map(({ type }) => type);

/** Types in the bitmap of the NSEC of a reply. */
function denied(reply: ReturnType<typeof ask>): { owner: string; types: Buffer } | undefined {
  const nsec = [...reply.authority, ...reply.answers].find(({ type }) => type === types.NSEC);
  if (!nsec) return undefined;
  const next = Buffer.from(`\x01\0${Buffer.from(nsec.data).toString("latin1", 2)}`, "latin1");
  const nameEnd = next.indexOf(0, 2) + 1;
  return { owner: nsec.name, types: nsec.data.subarray(nameEnd) };
}
const bits = (...of: number[]) => typeBitmap([...of, types.RRSIG, types.NSEC].sort((a, b) => a - b));

describe("a signed dnsZone without DO", () => {
  it.each([
    { query: {}, answers: [1, 1] },
    { query: { edns: {} }, answers: [1, 1] },
    { query: { name: "stream.test", type: types.DNSKEY }, answers: [types.DNSKEY] },
    { query: { name: "stream.test", type: types.CDS }, answers: [types.CDS] },
    { query: { name: "stream.test", type: types.CDNSKEY }, answers: [types.CDNSKEY] },
  ])("answers $answers to $query without signatures", ({ query, answers }) => {
    const reply = ask(query);
    expect(typesOf(reply.answers)).toEqual(answers);
    expect(reply.authority).toEqual([]);
  });

  it("a name that is not there is NXDOMAIN, with the SOA alone", () => {
    const reply = ask({ name: "none.stream.test", edns: { flags: compactOk } });
    expect(reply).toMatchObject({ rcode: 3, authority: [{ type: types.SOA }], opt: { flags: 0 } });
  });
});

describe("a dnsZone that is not signed", () => {
  it("answers those who set DO as all others", () => {
    const reply = ask(withDo, { of: snapshotOf() });
    expect(typesOf(reply.answers)).toEqual([1, 1]);
    expect(reply.opt?.flags).toBe(dnssecOk);
    expect(ask({ ...withDo, name: "none.stream.test" }, { of: snapshotOf() })).toMatchObject({
      rcode: 3,
      authority: [{ type: types.SOA }],
    });
  });
});

describe("with DO every record set is signed", () => {
  const soa = [types.SOA, types.RRSIG];
  const denial = [...soa, types.NSEC, types.RRSIG];
  it.each([
    { name: "a static record", query: { name: "ns1.stream.test" }, answers: [1, 46], authority: [] },
    { name: "addresses of a region", query: {}, answers: [1, 1, 46], authority: [] },
    { name: "those of another region", query: {}, client: "127.1.0.7", answers: [1, 1, 46], authority: [] },
    { name: "an alias", query: { name: "api.stream.test" }, answers: [5, 46, 1, 1, 46], authority: [] },
    { name: "the keys", query: { name: "stream.test", type: types.DNSKEY }, answers: [48, 46], authority: [] },
    { name: "ANY", query: { type: types.ANY }, answers: [types.HINFO, 46], authority: [] },
    { name: "NODATA", query: { type: types.TXT }, answers: [], authority: denial },
    {
      name: "NODATA behind an alias",
      query: { name: "api.stream.test", type: 16 },
      answers: [5, 46],
      authority: denial,
    },
    { name: "a name that is not there", query: { name: "none.stream.test" }, answers: [], authority: denial },
    { name: "no address of this family", query: { type: 28 }, client: "127.1.0.7", answers: [], authority: denial },
  ])("$name", ({ query, client, answers, authority }) => {
    const reply = ask({ ...query, ...withDo }, { client });
    expect(unsignedOf(reply, key)).toEqual([]);
    expect({ answers: typesOf(reply.answers), authority: typesOf(reply.authority) }).toEqual({ answers, authority });
    expect(reply).toMatchObject({ rcode: 0, aa: true, reserved: 0, opt: { flags: dnssecOk } });
  });
});

describe("the NSEC", () => {
  it.each([
    { name: "of a name that is not there", query: { name: "a.none.stream.test" }, types: bits(128) },
    { name: "of a steered name: A, AAAA and HTTPS of any region", query: { type: 16 }, types: bits(1, 28, 65) },
    { name: "of a steered name, without what was asked", query: { type: 28 }, client: "127.1.0.7", types: bits(1, 65) },
    { name: "of a static name", query: { name: "ns1.stream.test", type: 28 }, types: bits(1) },
    {
      name: "of the apex",
      query: { name: "stream.test", type: 16 },
      types: bits(1, types.NS, types.SOA, 28, types.DNSKEY, types.CDS, types.CDNSKEY),
    },
    {
      name: "behind an alias",
      query: { name: "api.stream.test", type: 16 },
      owner: "www.stream.test",
      types: bits(1, 28, 65),
    },
  ])("$name", ({ query, client, owner, types: expected }) => {
    const reply = ask({ ...query, ...withDo }, { client });
    expect(denied(reply)).toEqual({ owner: owner ?? query.name ?? "www.stream.test", types: expected });
  });

  it("lives as long as the SOA beside it", () => {
    const { authority } = ask({ name: "none.stream.test", ...withDo });
    expect(new Set(authority.map(({ ttl }) => ttl))).toEqual(new Set([30]));
  });

  it.each([
    { name: "www.stream.test", types: bits(1, 28, 65) },
    { name: "api.stream.test", types: bits(types.CNAME) },
    { name: "none.stream.test", types: bits(128) },
  ])("of $name can be asked for, and its signature", ({ name, types: expected }) => {
    const nsec = ask({ name, type: types.NSEC, ...withDo });
    expect(nsec).toMatchObject({ rcode: 0, authority: [] });
    expect(typesOf(nsec.answers)).toEqual([types.NSEC, types.RRSIG]);
    expect(unsignedOf(nsec, key)).toEqual([]);
    expect(denied(nsec)?.types).toEqual(expected);
    const rrsig = ask({ name, type: types.RRSIG, ...withDo });
    expect(rrsig.answers).toMatchObject([{ type: types.RRSIG }]);
    expect(rrsig.answers[0]!.data.readUInt16BE(0)).toBe(types.NSEC);
  });

  it("is told without DO where it is asked for, at names that are there", () => {
    expect(typesOf(ask({ type: types.NSEC }).answers)).toEqual([types.NSEC]);
    expect(ask({ name: "none.stream.test", type: types.NSEC })).toMatchObject({ rcode: 3, answers: [] });
  });
});

describe("the rcode of a name that is not there", () => {
  it.each([
    { flags: dnssecOk, rcode: 0, told: dnssecOk },
    { flags: dnssecOk | compactOk, rcode: 3, told: dnssecOk | compactOk },
  ])("is $rcode with EDNS flags $flags", ({ flags, rcode, told }) => {
    const reply = ask({ name: "none.stream.test", edns: { flags } });
    expect(reply).toMatchObject({ rcode, opt: { flags: told } });
    expect(unsignedOf(reply, key)).toEqual([]);
  });

  it("is NOERROR with CO where the name is there", () => {
    expect(ask({ type: 16, edns: { flags: dnssecOk | compactOk } })).toMatchObject({ rcode: 0 });
  });

  it("a question for NXNAME itself is malformed", () => {
    const reply = ask({ type: types.NXNAME, ...withDo });
    expect(reply).toMatchObject({ rcode: 1, answers: [], authority: [] });
    expect(reply.opt?.options.get(15)?.readUInt16BE(0)).toBe(30);
  });
});

describe("beside DO", () => {
  it("what the server says of itself is not signed", () => {
    const reply = ask({ name: "id.server", type: 16, class: 3, ...withDo });
    expect(reply).toMatchObject({ rcode: 0, authority: [], opt: { flags: dnssecOk } });
    expect(typesOf(reply.answers)).toEqual([16]);
  });

  it("NSID and a client subnet are answered as ever, with signatures", () => {
    const options = [ecs(1, 24, [127, 1, 0]), [3, Buffer.alloc(0)]] as const;
    const reply = ask({ edns: { flags: dnssecOk, options } });
    expect(typesOf(reply.answers)).toEqual([1, 1, types.RRSIG]);
    expect(reply.answers[0]!.text).toMatch(/^198\.51\.100\./);
    expect(reply.opt?.options.get(3)?.toString()).toBe("ns1");
    expect(reply.opt?.options.get(8)?.[2]).toBe(24);
    expect(unsignedOf(reply, key)).toEqual([]);
  });

  it("a question outside every dnsZone is refused with its reason, and without proofs", () => {
    const reply = ask({ name: "example.org", ...withDo });
    expect(reply).toMatchObject({ rcode: 5, answers: [], authority: [], opt: { flags: dnssecOk } });
    expect(reply.opt?.options.get(15)?.readUInt16BE(0)).toBe(20);
  });
});

describe("a signed answer that does not fit", () => {
  it("is cut with its signature, never between them", () => {
    const whole = ask({ name: "api.stream.test", ...withDo, edns: { flags: dnssecOk, udpBytes: 1_232 } });
    expect(whole.tc).toBe(false);
    const many = Object.fromEntries(Array.from({ length: 24 }, (_, i) => [`192.0.2.${i}`, "up"] as const));
    const crowded = signersOf();
    const of = signedSnapshotOf(crowded.signers, [region("eu-west", many), ...allUp.slice(1)], { answers: 24 });
    const cut = ask({ name: "api.stream.test", edns: { flags: dnssecOk, udpBytes: 512 } }, { of });
    expect(cut.tc).toBe(true);
    expect(typesOf(cut.answers)).toEqual([types.CNAME, types.RRSIG]);
    expect(unsignedOf(cut, crowded.key)).toEqual([]);
    const overTcp = ask(
      { name: "api.stream.test", edns: { flags: dnssecOk, udpBytes: 512 } },
      { of, transport: "tcp" },
    );
    expect(overTcp.tc).toBe(false);
    expect(unsignedOf(overTcp, crowded.key)).toEqual([]);
  });
});

describe("over the limit of what is signed on demand", () => {
  const of = signedSnapshotOf(signersOf(10).signers);
  const randomName = (i: number) => ({ name: `n${i}.stream.test`, ...withDo });
  const answered = (transport: Transport, from: number) =>
    Array.from({ length: 20 }, (_, i) => ask(randomName(from + i), { of, transport }));

  it("a query over UDP is sent to TCP, one over TCP to another name server; what stands there is still answered", () => {
    const overUdp = answered("udp", 0);
    expect(overUdp.filter(({ tc }) => !tc)).toHaveLength(5);
    expect(overUdp.at(-1)).toMatchObject({ tc: true, rcode: 0, answers: [], authority: [], opt: { flags: dnssecOk } });
    const overTcp = answered("tcp", 100);
    expect(overTcp.filter(({ rcode }) => rcode === 0)).toHaveLength(5);
    expect(overTcp.at(-1)).toMatchObject({ tc: false, rcode: 2, aa: false, answers: [], authority: [] });
    expect(overTcp.at(-1)?.opt?.options.get(15)?.readUInt16BE(0)).toBe(0);
    expect(ask(withDo, { of })).toMatchObject({ tc: false, rcode: 0 });
    expect(ask({ type: 16, ...withDo }, { of })).toMatchObject({ tc: false, rcode: 0 });
    expect(ask({ name: "n99.stream.test" }, { of })).toMatchObject({ tc: false, rcode: 3 });
  });
});
