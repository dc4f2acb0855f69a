import dgram from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TcpClient, ecs, nameBytes, optBytes, queryBytes, readReply, uint16 } from "#test/support/dns.ts";
import { recordBytes, tsigData, withRecords } from "#test/support/dns-records.ts";
import { Rig, hasDig, optionCodes, rcodes } from "./rig.ts";

/** What RFC 8906 and its neighbours ask: every query gets an answer, whatever it holds, over UDP and TCP alike. */
let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(119);
});
afterAll(() => rig[Symbol.asyncDispose]());

const [type, anyClass] = [{ a: 1, soa: 6, sig: 24, opt: 41, tkey: 249, tsig: 250 }, 255];
const root = Buffer.of(0);
const apex = { name: "stream.test", type: type.soa };

describe("RFC 8906 §3 and §8, over UDP and TCP", () => {
  const soa = { rcode: rcodes.NOERROR, aa: true, answers: [{ name: "stream.test", type: 6 }] };
  const noAnswer = { answers: [], authority: [] };
  it.each([
    { name: "the SOA, without EDNS", query: apex, reply: { ...soa, opt: undefined } },
    {
      name: "an unknown type",
      query: { ...apex, type: 1_000 },
      reply: { rcode: 0, aa: true, answers: [], authority: [{ type: 6 }] },
    },
    { name: "CD set", query: { ...apex, flags: 0x0010 }, reply: { ...soa, reserved: 0 } },
    { name: "AD set", query: { ...apex, flags: 0x0020 }, reply: { ...soa, reserved: 0 } },
    { name: "the reserved bit set", query: { ...apex, flags: 0x0040 }, reply: { ...soa, reserved: 0 } },
    { name: "RD set", query: { ...apex, flags: 0x0100 }, reply: { ...soa, rd: true, ra: false } },
    {
      name: "an unknown opcode",
      query: { ...apex, flags: 15 << 11 },
      reply: { rcode: rcodes.NOTIMP, opcode: 15, ...noAnswer },
    },
    { name: "EDNS version 0", query: { ...apex, edns: {} }, reply: { ...soa, opt: { version: 0 } } },
    {
      name: "EDNS version 1",
      query: { ...apex, edns: { version: 1 } },
      reply: { rcode: rcodes.BADVERS, aa: false, ...noAnswer, opt: { version: 0 } },
    },
    {
      name: "an unknown EDNS option",
      query: { ...apex, edns: { options: [[100, Buffer.alloc(4)]] as const } },
      reply: { ...soa, opt: { version: 0, options: new Map() } },
    },
    { name: "an unknown EDNS flag", query: { ...apex, edns: { flags: 0x0040 } }, reply: { ...soa, opt: { flags: 0 } } },
    {
      name: "EDNS version 1 with an unknown flag",
      query: { ...apex, edns: { version: 1, flags: 0x0040 } },
      reply: { rcode: rcodes.BADVERS, opt: { version: 0, flags: 0 } },
    },
    {
      name: "EDNS version 1 with an unknown option",
      query: { ...apex, edns: { version: 1, options: [[100, Buffer.alloc(4)]] as const } },
      reply: { rcode: rcodes.BADVERS, ...noAnswer, opt: { version: 0, options: new Map() } },
    },
    { name: "DO", query: { ...apex, edns: { flags: 0x8000 } }, reply: { ...soa, opt: { flags: 0x8000 } } },
    {
      name: "EDNS version 1 with DO",
      query: { ...apex, edns: { version: 1, flags: 0x8000 } },
      reply: { rcode: rcodes.BADVERS, ...noAnswer, opt: { version: 0, flags: 0x8000 } },
    },
    {
      name: "several EDNS options: NSID, cookie, EXPIRE and client subnet",
      query: {
        ...apex,
        edns: {
          options: [
            [optionCodes.nsid, Buffer.alloc(0)],
            [optionCodes.cookie, Buffer.alloc(8, 7)],
            [9, Buffer.alloc(0)],
            ecs(1, 0, []),
          ] as const,
        },
      },
      reply: { ...soa, opt: { version: 0 } },
    },
  ])("$name", async ({ query, reply }) => {
    expect(await rig.askBoth(queryBytes(query))).toMatchObject(reply);
  });

  it.skipIf(!hasDig).each(["+notcp", "+tcp"])("the commands of §8, %s (skipped without dig)", async (transport) => {
    const ask = (...options: string[]) => rig.dig(transport, "+norec", "+nocookie", ...options, "stream.test");
    const commands = [
      ["+noedns", "+noad", "soa"],
      ["+noedns", "+noad", "type1000"],
      ["+noedns", "+noad", "+cd", "soa"],
      ["+noedns", "+ad", "soa"],
      ["+noedns", "+noad", "+zflag", "soa"],
      ["+noedns", "+rec", "+noad", "soa"],
      ["+edns=0", "+noad", "soa"],
      ["+edns=0", "+noad", "+ednsopt=100", "soa"],
      ["+edns=0", "+noad", "+ednsflags=0x40", "soa"],
      ["+edns=0", "+noad", "+dnssec", "soa"],
      ["+edns=0", "+noad", "+bufsize=512", "+ignore", "dnskey"],
      ["+edns=0", "+noad", "+nsid", "+expire", "+cookie", "+subnet=0.0.0.0/0", "soa"],
    ];
    for (const options of commands) expect(await ask(...options), options.join(" ")).toContain("status: NOERROR");
    for (const options of [[], ["+ednsopt=100"], ["+ednsflags=0x40"], ["+dnssec"]])
      expect(await ask("+edns=1", "+noednsneg", "+noad", ...options, "soa")).toMatch(/status: BADVERS[^]*version: 0/);
    expect(await ask("+noedns", "+noad", "+opcode=15", "+header-only")).toContain("opcode: RESERVED15, status: NOTIMP");
  });
});

describe("types that no name has records of", () => {
  it.each([
    { name: "OPT", code: type.opt, rcode: rcodes.FORMERR, error: 30 },
    { name: "TSIG", code: type.tsig, rcode: rcodes.FORMERR, error: 30 },
    { name: "NXNAME", code: 128, rcode: rcodes.FORMERR, error: 30 },
    { name: "TKEY", code: type.tkey, rcode: rcodes.NOTIMP, error: 21 },
    { name: "MAILB", code: 253, rcode: rcodes.NOTIMP, error: 21 },
    { name: "MAILA", code: 254, rcode: rcodes.NOTIMP, error: 21 },
    { name: "IXFR", code: 251, rcode: rcodes.REFUSED, error: 18 },
    { name: "AXFR", code: 252, rcode: rcodes.REFUSED, error: 18 },
  ])("$name: code $rcode, extended error $error", async ({ code, rcode, error }) => {
    for (const name of ["stream.test", "www.stream.test"]) {
      const reply = await rig.askBoth(queryBytes({ name, type: code, edns: {} }));
      expect(reply).toMatchObject({ rcode, aa: false, answers: [], authority: [] });
      expect(reply.opt?.options.get(optionCodes.extendedError)?.readUInt16BE(0)).toBe(error);
    }
  });

  it("type 0 and the free numbers among them are NODATA", async () => {
    for (const code of [0, 129, 200, 248])
      expect(await rig.askBoth(queryBytes({ ...apex, type: code }))).toMatchObject({
        rcode: rcodes.NOERROR,
        aa: true,
        answers: [],
        authority: [{ type: type.soa }],
      });
  });

  it("IXFR with the SOA of the asker in its authority section is REFUSED", async () => {
    const soa = recordBytes(Buffer.of(0xc0, 12), type.soa, 1, 0, Buffer.concat([root, root, Buffer.alloc(20)]));
    const message = withRecords(queryBytes({ name: "stream.test", type: 251 }), [soa], 8);
    expect(await rig.askBoth(message)).toMatchObject({ rcode: rcodes.REFUSED, answers: [] });
  });
});

describe("classes and opcodes, over UDP and TCP", () => {
  it.each([
    { name: "NONE", code: 254 },
    { name: "ANY", code: 255 },
    { name: "HS", code: 4 },
    { name: "0", code: 0 },
  ])("class $name is REFUSED", async ({ code }) => {
    expect(await rig.askBoth(queryBytes({ class: code }))).toMatchObject({ rcode: rcodes.REFUSED, aa: false });
  });

  const update = queryBytes({ ...apex, flags: 5 << 11 });
  it.each([
    { name: "IQUERY", opcode: 1, message: withRecords(queryBytes({ questions: 0, flags: 1 << 11 }), [], 6) },
    { name: "STATUS", opcode: 2, message: queryBytes({ questions: 0, flags: 2 << 11 }) },
    { name: "NOTIFY", opcode: 4, message: queryBytes({ ...apex, flags: (4 << 11) | 0x0400 }) },
    { name: "UPDATE", opcode: 5, message: update },
    {
      name: "UPDATE that is signed",
      opcode: 5,
      message: withRecords(update, [recordBytes(nameBytes("key"), type.tsig, anyClass, 0, tsigData())]),
    },
    {
      name: "DSO keepalive (RFC 8490 §7.1)",
      opcode: 6,
      message: Buffer.concat([queryBytes({ questions: 0, flags: 6 << 11 }), Buffer.of(0, 1, 0, 8), Buffer.alloc(8)]),
    },
  ])("$name is NOTIMP, with its opcode and nothing else", async ({ opcode, message }) => {
    const reply = await rig.askBoth(message);
    expect(reply).toMatchObject({ id: 0x1234, rcode: rcodes.NOTIMP, opcode, aa: false, bytes: 12 });
  });

  it.each([
    { name: "NOTIFY", opcode: 4, message: withRecords(queryBytes({ ...apex, flags: 4 << 11 }), [optBytes()]) },
    { name: "UPDATE", opcode: 5, message: withRecords(update, [optBytes()]) },
  ])("$name with an OPT is NOTIMP with an OPT (RFC 6891 §6.1.1)", async ({ opcode, message }) => {
    const reply = await rig.askBoth(message);
    expect(reply).toMatchObject({ rcode: rcodes.NOTIMP, opcode, aa: false, answers: [], opt: { version: 0 } });
  });
});

describe("what is malformed is FORMERR over TCP as over UDP, and the next query is answered", () => {
  const question = queryBytes().subarray(12);
  const header = (counts: readonly number[]) => Buffer.concat([uint16(0x1234), uint16(0), ...counts.map(uint16)]);
  const named = Buffer.concat([nameBytes("x"), optBytes().subarray(1)]);
  it.each([
    { name: "no question", message: header([0, 0, 0, 0]) },
    { name: "no question, with EDNS", message: Buffer.concat([header([0, 0, 0, 1]), optBytes()]) },
    { name: "two questions", message: Buffer.concat([header([2, 0, 0, 0]), question, question]) },
    {
      name: "a compressed question that leads to a name behind it",
      message: Buffer.concat([header([1, 0, 0, 0]), Buffer.of(0xc0, 18, 0, 1, 0, 1), nameBytes("www.stream.test")]),
    },
    { name: "trailing bytes", message: Buffer.concat([queryBytes(), Buffer.of(0, 0)]) },
    { name: "an OPT in the answer section", message: withRecords(queryBytes(), [optBytes()], 6) },
    { name: "an OPT in the authority section", message: withRecords(queryBytes(), [optBytes()], 8) },
    { name: "two OPTs", message: withRecords(queryBytes(), [optBytes(), optBytes()]) },
    { name: "an OPT with a name", message: withRecords(queryBytes(), [named]) },
    {
      name: "a label with the bits 01",
      message: Buffer.concat([header([1, 0, 0, 0]), Buffer.of(0x41, 97, 0, 0, 1, 0, 1)]),
    },
    {
      name: "a label with the bits 10",
      message: Buffer.concat([header([1, 0, 0, 0]), Buffer.of(0x81, 97, 0, 0, 1, 0, 1)]),
    },
  ])("$name", async ({ message }) => {
    using tcp = new TcpClient(rig.address);
    for (const reply of [await rig.askRaw(message), await tcp.ask(message)])
      expect(reply).toMatchObject({ id: 0x1234, rcode: rcodes.FORMERR, aa: false, answers: [], authority: [] });
    expect(await tcp.ask(queryBytes({ id: 9 }))).toMatchObject({ id: 9, rcode: rcodes.NOERROR });
  });

  it("a name of 255 bytes with every option is looked up over both", async () => {
    const name = [63, 63, 63, 49].map((length) => "a".repeat(length)).join(".") + ".stream.test";
    const options = [
      [optionCodes.nsid, Buffer.alloc(0)],
      [optionCodes.cookie, Buffer.alloc(8, 1)],
      ecs(2, 128, Array<number>(16).fill(0x20)),
    ] as const;
    expect(await rig.askBoth(queryBytes({ name, edns: { options } }))).toMatchObject({
      rcode: rcodes.NXDOMAIN,
      aa: true,
    });
  });
});

describe("between two servers that ask from port 53", () => {
  it("a query is answered, a reply is not: nothing goes round for ever", async () => {
    const server = dgram.createSocket("udp4");
    const bound = Promise.withResolvers<boolean>();
    server.once("error", () => bound.resolve(false));
    server.bind(53, "127.0.0.5", () => bound.resolve(true));
    // Without the right to bind low ports there is nothing to show.
    if (!(await bound.promise)) return expect(process.getuid?.()).not.toBe(0);
    const got: number[] = [];
    const answered = Promise.withResolvers<void>();
    server.on("message", (message) => {
      got.push(readReply(message).id);
      answered.resolve();
    });
    const { host, port } = parseSocketAddress(rig.address)!;
    for (const query of [{ id: 1, flags: 0x8000 }, { id: 2, flags: 0x8400, edns: {} }, { id: 3 }])
      await new Promise<void>((resolve) => server.send(queryBytes(query), port, host, () => resolve()));
    await answered.promise;
    await rig.ask();
    server.close();
    expect(got).toEqual([3]);
  });
});
