import { Packet } from "dns2";
import { describe, expect, it } from "vitest";
import { ecs, queryBytes, readReply } from "#test/support/dns.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { encodeAddress, encodeCname, encodeHinfo, encodeNs, encodeSoa, encodeTxt } from "./encode.ts";
import { compileBody, tcpBytesMax } from "./body.ts";
import type { OwnedSet, Sections } from "./body.ts";
import { rcodes } from "./codes.ts";
import { parseName } from "./name.ts";
import { Query } from "./query.ts";
import { Reception } from "./reception.ts";
import { optBytes, writeReply } from "./reply.ts";

const name = (text: string) => parseName(text, "")!;
const reception = new Reception(termsOf()); // as it receives a client without such options

interface Parts extends Partial<Sections> {
  readonly rcode?: number;
  readonly scopePrefix?: number;
  readonly nsid?: Uint8Array;
}

function encode(message: Buffer, parts: Parts, bytesMax: number): Buffer {
  const { rcode = rcodes.NOERROR, scopePrefix = 0, nsid, answers = [], authority = [], additional = [] } = parts;
  const query = new Query();
  query.read(message);
  const head = { rcode, authoritative: true };
  const room = bytesMax - query.questionEnd - optBytes(query, head, { nsid }, reception);
  let body = compileBody(query.name, { answers, authority, additional });
  while (body.requiredBytes > room && body.shorter) body = body.shorter;
  const out = Buffer.alloc(tcpBytesMax);
  const length = writeReply(out, query, head, body, scopePrefix, { nsid }, body.bytes.length <= room, reception);
  return out.subarray(0, length);
}

function addresses(owner: string, count: number): OwnedSet {
  const texts = Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  return { owner: name(owner), set: { type: 1, ttl: 10, data: texts.map(encodeAddress), texts } };
}

function txt(owner: string, bytes: number): OwnedSet {
  return { owner: name(owner), set: { type: 16, ttl: 10, data: [encodeTxt("x".repeat(bytes))], texts: [] } };
}

describe("record data, encoded by dns2", () => {
  it.each([
    { name: "A", data: encodeAddress("192.0.2.1"), hex: "c0000201" },
    { name: "AAAA", data: encodeAddress("2001:db8::1"), hex: "20010db8000000000000000000000001" },
    { name: "AAAA of all zeros", data: encodeAddress("::"), hex: "00".repeat(16) },
    { name: "AAAA that ends in zeros", data: encodeAddress("2001:db8::"), hex: `20010db8${"00".repeat(12)}` },
    { name: "NS", data: encodeNs(name("ns1.test")), hex: "036e7331047465737400" },
    { name: "CNAME to the root", data: encodeCname(""), hex: "00" },
    { name: "HINFO", data: encodeHinfo("RFC8482", ""), hex: "075246433834383200" },
    { name: "TXT", data: encodeTxt("ab"), hex: "026162" },
    { name: "TXT, empty", data: encodeTxt(""), hex: "00" },
    { name: "TXT of 255 bytes", data: encodeTxt("a".repeat(255)), hex: `ff${"61".repeat(255)}` },
    { name: "TXT of 256 bytes", data: encodeTxt("a".repeat(256)), hex: `ff${"61".repeat(255)}0161` },
    { name: "TXT in UTF-8", data: encodeTxt("ä"), hex: "02c3a4" },
  ])("$name", ({ data, hex }) => {
    expect(Buffer.from(data).toString("hex")).toBe(hex);
  });

  it("SOA", () => {
    const numbers = { serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 5 };
    const data = encodeSoa({ primary: name("a"), contact: name("b"), ...numbers });
    expect(Buffer.from(data).toString("hex")).toBe(`016100016200${[1, 2, 3, 4, 5].map((n) => `0000000${n}`).join("")}`);
  });
});

describe("a reply", () => {
  it("repeats the question byte by byte, and points to it", () => {
    const query = queryBytes({ name: "wWw.StReAm.test", flags: 0x0100 });
    const bytes = encode(query, { answers: [addresses("www.stream.test", 2)] }, 512);
    expect(bytes.subarray(12, query.length)).toEqual(query.subarray(12));
    expect(bytes.length).toBe(query.length + 2 * 16);
    const read = readReply(bytes);
    expect(read).toMatchObject({
      id: 0x1234,
      qr: true,
      aa: true,
      tc: false,
      rd: true,
      ra: false,
      reserved: 0,
      opt: undefined,
    });
    expect(read.answers.map(({ name: owner, text }) => [owner, text])).toEqual([
      ["wWw.StReAm.test", "10.0.0.0"],
      ["wWw.StReAm.test", "10.0.0.1"],
    ]);
  });

  it("is read by dns2 as it was meant, with owners that share their ends", () => {
    const soa = encodeSoa({
      primary: name("ns1.stream.test"),
      contact: name("h.stream.test"),
      serial: 1,
      refresh: 2,
      retry: 3,
      expire: 4,
      minimum: 5,
    });
    const bytes = encode(
      queryBytes({ name: "a.img.stream.test" }),
      {
        answers: [
          {
            owner: name("a.img.stream.test"),
            set: { type: 5, ttl: 60, data: [encodeCname(name("www.other.test"))], texts: [] },
          },
          addresses("www.other.test", 1),
          addresses("api.other.test", 1),
        ],
        authority: [{ owner: name("stream.test"), set: { type: 6, ttl: 30, data: [soa], texts: [] } }],
      },
      512,
    );
    const packet = Packet.parse(bytes);
    expect(packet.answers.map(({ name: owner }) => owner)).toEqual([
      "a.img.stream.test",
      "www.other.test",
      "api.other.test",
    ]);
    expect(packet.authorities[0]).toMatchObject({ name: "stream.test", primary: "ns1.stream.test", ttl: 30 });
  });

  it("keeps a label that holds a dot in one piece", () => {
    const query = queryBytes({ name: "a" });
    const dotted = Buffer.concat([query.subarray(0, 12), Buffer.from("\x03a.b\x04test\x00\x00\x01\x00\x01", "latin1")]);
    const owner = "\x03a.b\x04test";
    const read = readReply(encode(dotted, { answers: [{ ...addresses("x", 1), owner }] }, 512));
    expect(read.question).toEqual(dotted.subarray(12));
    expect(read.answers[0]?.name).toBe("a.b.test");
  });

  it("has an OPT if the query has one: version 0, DO copied, the rest clear", () => {
    const read = readReply(
      encode(queryBytes({ edns: { flags: 0xffff, options: [[4_242, Buffer.of(1)]] } }), {}, 1_232),
    );
    expect(read.opt).toEqual({ udpBytes: 1_232, version: 0, flags: 0x8000, options: new Map() });
  });

  it("splits an rcode over 15 between header and OPT", () => {
    const read = readReply(encode(queryBytes({ edns: { version: 1 } }), { rcode: rcodes.BADVERS }, 1_232));
    expect(read.rcode).toBe(16);
  });

  it("gives NSID to those who ask", () => {
    const nsid = Buffer.from("ns1");
    const asked = readReply(encode(queryBytes({ edns: { options: [[3, Buffer.alloc(0)]] } }), { nsid }, 1_232));
    const unasked = readReply(encode(queryBytes({ edns: {} }), { nsid }, 1_232));
    expect(asked.opt?.options).toEqual(new Map([[3, nsid]]));
    expect(unasked.opt?.options).toEqual(new Map());
  });

  it("echoes the subnet as it came, with its own scope", () => {
    const query = queryBytes({ edns: { options: [ecs(1, 20, [81, 2, 0x40])] } });
    const read = readReply(encode(query, { scopePrefix: 18 }, 1_232));
    expect(read.opt?.options.get(8)).toEqual(Buffer.of(0, 1, 20, 18, 81, 2, 0x40));
  });
});

describe("a reply that is too long", () => {
  const query = queryBytes({ edns: { udpBytes: 1_232 } });

  it("fits to the byte", () => {
    const free = 512 - queryBytes().length;
    const count = Math.floor(free / 16);
    const whole = readReply(encode(queryBytes(), { answers: [addresses("www.stream.test", count)] }, 512));
    expect(whole).toMatchObject({ tc: false });
    expect(whole.answers).toHaveLength(count);
    const over = readReply(encode(queryBytes(), { answers: [addresses("www.stream.test", count + 1)] }, 512));
    expect(over).toMatchObject({ tc: true, answers: [] });
  });

  it("loses whole record sets, sets TC and keeps the OPT", () => {
    const alias = {
      owner: name("www.stream.test"),
      set: { type: 5, ttl: 60, data: [encodeCname(name("b.test"))], texts: [] },
    };
    const bytes = encode(query, { answers: [alias, addresses("b.test", 200)], authority: [txt("c.test", 10)] }, 1_232);
    const read = readReply(bytes);
    expect(read).toMatchObject({ tc: true, authority: [] });
    expect(read.answers.map(({ type }) => type)).toEqual([5]);
    expect(read.opt).toBeDefined();
    expect(bytes.length).toBeLessThanOrEqual(1_232);
  });

  it("does not point to names that were left out", () => {
    const read = readReply(
      encode(query, { answers: [txt("gone.example", 2_000)], authority: [txt("gone.example", 5)] }, 1_232),
    );
    expect(read).toMatchObject({ tc: true, answers: [], authority: [] });
  });

  it("is complete over TCP", () => {
    const read = readReply(encode(query, { answers: [addresses("www.stream.test", 3_000)] }, tcpBytesMax));
    expect(read).toMatchObject({ tc: false });
    expect(read.answers).toHaveLength(3_000);
  });

  it("over 64 KiB it is cut over TCP too", () => {
    const read = readReply(encode(query, { answers: [addresses("www.stream.test", 5_000)] }, tcpBytesMax));
    expect(read).toMatchObject({ tc: true, answers: [] });
  });
});
