import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ecs, nameBytes, optBytes, queryBytes, uint16 } from "#test/support/dns.ts";
import { recordBytes, tsigData, withRecords } from "#test/support/dns-records.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { rcodeName } from "./codes.ts";
import { formatName } from "./name.ts";
import { Query, udpReplyBytesMax } from "./query.ts";

/** Reads a message with a reader that has read another before, of which nothing may be left. */
function read(bytes: Uint8Array) {
  const query = new Query();
  query.read(queryBytes({ name: "an.earlier.question.test", edns: { flags: 0x8000, options: earlierOptions } }));
  return { verdict: query.read(bytes), query };
}
const earlierOptions = [
  [3, Buffer.alloc(0)],
  ecs(2, 56, [0x20, 1, 0xd, 0xb8, 0, 0, 1]),
  [65_001, Buffer.from("trace-earlier")],
] as const;

const withOptions = (...options: readonly (readonly [number, Uint8Array])[]) => queryBytes({ edns: { options } });
/** Counts of the four sections. */
const withCounts = (bytes: Buffer, ...counts: readonly number[]) => {
  const copy = Buffer.from(bytes);
  counts.forEach((count, i) => copy.writeUInt16BE(count, 4 + 2 * i));
  return copy;
};

describe("a query without EDNS", () => {
  it("is read in place", () => {
    const bytes = queryBytes({ name: "WWW.stream.Test", type: 28, flags: 0x0100 });
    const { verdict, query } = read(bytes);
    expect(verdict).toBe("query");
    expect(query).toMatchObject({ id: 0x1234, opcode: 0, recursionDesired: true, type: 28, class: 1, labels: 3 });
    expect(query.name).toBe("\x03www\x06stream\x04test");
    expect(query.question).toEqual(bytes.subarray(12));
    expect(query).toMatchObject({ hasEdns: false, dnssecOk: false, wantsNsid: false, subnetAt: 0, isTraced: false });
  });
});

describe("the name of a question", () => {
  const named = (...parts: readonly (string | number)[]) =>
    Buffer.concat([
      queryBytes().subarray(0, 12),
      ...parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part, "latin1"))),
      Buffer.of(0, 1, 0, 1),
    ]);

  it.each([
    { name: "the root", bytes: named(0), text: ".", labels: 0 },
    { name: "letters are lowered", bytes: named(3, "WwW", 4, "TeSt", 0), text: "www.test.", labels: 2 },
    { name: "other bytes are kept", bytes: named(3, "\xc0.\x00", 0), text: "\\192\\.\\000.", labels: 1 },
  ])("$name", ({ bytes, text, labels }) => {
    const { verdict, query } = read(bytes);
    expect([verdict, formatName(query.name), query.labels]).toEqual(["query", text, labels]);
  });

  it.each([
    { name: "a pointer forwards", bytes: named(0xc0, 14, 0) },
    { name: "a pointer to itself", bytes: named(0xc0, 12) },
    { name: "a pointer behind a label", bytes: named(1, "a", 0xc0, 12) },
    { name: "a label of type 01", bytes: named(0x41, "a".repeat(65), 0) },
    { name: "a label of type 10", bytes: named(0x80, 0) },
    { name: "256 bytes", bytes: named(...[63, 63, 63, 62].flatMap((length) => [length, "a".repeat(length)]), 0) },
    { name: "cut in a label", bytes: named(9, "ww").subarray(0, 15) },
    { name: "cut before the root", bytes: named(3, "www").subarray(0, 16) },
  ])("refuses: $name", ({ bytes }) => {
    expect([read(bytes).verdict, rcodeName(read(bytes).query.rcode)]).toEqual(["refused", "FORMERR"]);
  });

  it("takes the longest there can be: 255 bytes with the root", () => {
    const labels = [63, 63, 63, 61].flatMap((length) => [length, "a".repeat(length)]);
    expect(read(named(...labels, 0)).query.name).toHaveLength(254);
    const single = Array.from({ length: 127 }, () => [1, "a"]).flat();
    expect(read(named(...single, 0)).query).toMatchObject({ labels: 127, nameBytes: 254 });
  });
});

describe("what is no query gets silence", () => {
  it.each([
    { name: "nothing", bytes: Buffer.alloc(0) },
    { name: "shorter than a header", bytes: queryBytes().subarray(0, 11) },
    { name: "a reply", bytes: queryBytes({ flags: 0x8000 }) },
  ])("$name", ({ bytes }) => {
    expect(read(bytes).verdict).toBe("silence");
  });
});

describe("refused", () => {
  const opt = optBytes();
  const withOpt = queryBytes({ edns: {} });
  const bare = queryBytes();
  it.each([
    { name: "opcode NOTIFY", bytes: queryBytes({ flags: 4 << 11 }), rcode: "NOTIMP", edns: false },
    { name: "opcode UPDATE", bytes: queryBytes({ flags: 5 << 11 }), rcode: "NOTIMP", edns: false },
    { name: "opcode 15", bytes: queryBytes({ flags: 15 << 11 }), rcode: "NOTIMP", edns: false },
    {
      name: "opcode NOTIFY, with an OPT",
      bytes: queryBytes({ flags: 4 << 11, edns: {} }),
      rcode: "NOTIMP",
      edns: true,
    },
    {
      name: "opcode UPDATE, with an OPT of another version",
      bytes: queryBytes({ flags: 5 << 11, edns: { version: 1 } }),
      rcode: "BADVERS",
      edns: true,
    },
    {
      name: "opcode NOTIFY, with garbage behind its OPT",
      bytes: queryBytes({ flags: 4 << 11, edns: {}, trailer: Buffer.of(0) }),
      rcode: "NOTIMP",
      edns: false,
    },
    { name: "no question", bytes: queryBytes({ questions: 0 }), rcode: "FORMERR", edns: false },
    { name: "no question, with an OPT", bytes: queryBytes({ questions: 0, edns: {} }), rcode: "FORMERR", edns: true },
    { name: "two questions", bytes: queryBytes({ questions: 2, edns: {} }), rcode: "FORMERR", edns: true },
    { name: "a question too few", bytes: withCounts(bare, 2), rcode: "FORMERR", edns: false },
    { name: "a cut question", bytes: bare.subarray(0, -1), rcode: "FORMERR", edns: false },
    {
      name: "garbage behind the question",
      bytes: queryBytes({ trailer: Buffer.of(0) }),
      rcode: "FORMERR",
      edns: false,
    },
    {
      name: "garbage behind the OPT",
      bytes: queryBytes({ edns: {}, trailer: Buffer.of(0) }),
      rcode: "FORMERR",
      edns: true,
    },
    { name: "a cut OPT", bytes: withOpt.subarray(0, -1), rcode: "FORMERR", edns: false },
    { name: "an OPT too few", bytes: withCounts(withOpt, 1, 0, 0, 2), rcode: "FORMERR", edns: true },
    { name: "two OPTs", bytes: withCounts(Buffer.concat([withOpt, opt]), 1, 0, 0, 2), rcode: "FORMERR", edns: true },
    { name: "an OPT in the authority section", bytes: withCounts(withOpt, 1, 0, 1, 0), rcode: "FORMERR", edns: true },
    {
      name: "an OPT with a name",
      bytes: withCounts(Buffer.concat([bare, nameBytes("a"), opt.subarray(1)]), 1, 0, 0, 1),
      rcode: "FORMERR",
      edns: true,
    },
    { name: "an answer in a query", bytes: withCounts(bare, 1, 1), rcode: "FORMERR", edns: false },
    {
      name: "a pointer in the question",
      bytes: Buffer.concat([bare.subarray(0, 12), Buffer.of(0xc0, 12, 0, 1, 0, 1)]),
      rcode: "FORMERR",
      edns: false,
    },
    {
      name: "an option that is cut",
      bytes: Buffer.concat([queryBytes({ edns: { options: [[3, Buffer.alloc(0)]] } }).subarray(0, -2), uint16(9)]),
      rcode: "FORMERR",
      edns: true,
    },
    { name: "EDNS version 1", bytes: queryBytes({ edns: { version: 1 } }), rcode: "BADVERS", edns: true },
    {
      name: "EDNS version 1 with options of another form",
      bytes: Buffer.concat([queryBytes({ edns: { version: 1 } }).subarray(0, -2), uint16(1), Buffer.of(7)]),
      rcode: "BADVERS",
      edns: true,
    },
  ])("$name: $rcode", ({ bytes, rcode, edns }) => {
    const { verdict, query } = read(bytes);
    expect([verdict, rcodeName(query.rcode), query.hasEdns]).toEqual(["refused", rcode, edns]);
  });
});

describe("the OPT record", () => {
  it.each([
    { udpBytes: 0, max: 512 },
    { udpBytes: 511, max: 512 },
    { udpBytes: 800, max: 800 },
    { udpBytes: 4_096, max: 1_232 },
  ])("a client that says $udpBytes gets at most $max bytes", ({ udpBytes, max }) => {
    expect(udpReplyBytesMax(read(queryBytes({ edns: { udpBytes } })).query, 1_232)).toBe(max);
  });

  it("without it the limit is 512", () => {
    expect(udpReplyBytesMax(read(queryBytes()).query, 1_232)).toBe(512);
  });

  it("gives DO, NSID and a trace id; unknown options and flags are passed over", () => {
    const options = [
      [3, Buffer.alloc(0)],
      [65_001, Buffer.from("trace-0123456789")],
      [4_242, Buffer.from("whatever")],
    ] as const;
    const { query } = read(queryBytes({ edns: { flags: 0xffff, options } }));
    expect(query).toMatchObject({
      version: 0,
      udpBytes: 1_232,
      dnssecOk: true,
      compactOk: true,
      wantsNsid: true,
      subnetAt: 0,
    });
    expect(query.traceId).toBe("trace-0123456789");
  });

  it.each(["short", "x".repeat(65), "with space in it", "<script>"])("%j is no trace id", (id) => {
    expect(read(withOptions([65_001, Buffer.from(id)])).query.traceId).toBeUndefined();
  });

  it("records of other types beside it are passed over", () => {
    const sig = recordBytes(Buffer.of(0xc0, 12), 24, 255, 0, Buffer.of(1, 2));
    expect(read(withRecords(queryBytes({ edns: {} }), [sig]))).toMatchObject({
      verdict: "query",
      query: { hasEdns: true, version: 0 },
    });
  });

  it("a TSIG as the last record is refused: we know no keys", () => {
    const tsig = recordBytes(Buffer.of(0xc0, 12), 250, 255, 0, tsigData());
    const { verdict, query } = read(withRecords(queryBytes({ edns: {} }), [tsig]));
    expect([verdict, rcodeName(query.rcode), query.hasEdns]).toEqual(["refused", "NOTAUTH", true]);
    expect(read(queryBytes()).query.tsigAt).toBe(0); // nothing of it is left for the next query
  });
});

describe("the client subnet", () => {
  it.each([
    { name: "IPv4, whole bytes", option: ecs(1, 24, [81, 2, 69]), address: "81.2.69.0" },
    { name: "IPv4, part of a byte", option: ecs(1, 20, [81, 2, 0x40]), address: "81.2.64.0" },
    { name: "IPv4, all of it", option: ecs(1, 32, [81, 2, 69, 142]), address: "81.2.69.142" },
    { name: "IPv6", option: ecs(2, 56, [0x20, 1, 0xd, 0xb8, 0, 0, 1]), address: "2001:db8:0:100::" },
    { name: "IPv4, hidden", option: ecs(1, 0, []), address: undefined },
    { name: "IPv6, hidden", option: ecs(2, 0, []), address: undefined },
    { name: "family 0, as dig hides it", option: ecs(0, 0, []), address: undefined },
  ])("$name", ({ option, address }) => {
    const bytes = withOptions(option);
    const { query } = read(bytes);
    expect(bytes.subarray(query.subnetAt, query.subnetAt + query.subnetLength)).toEqual(option[1]);
    expect(query.subnet && formatAddress(query.subnet)).toBe(address);
  });

  it.each([
    { name: "bits behind the prefix", options: [ecs(1, 20, [81, 2, 69])] },
    { name: "a scope", options: [ecs(1, 24, [81, 2, 69], 24)] },
    { name: "family 3", options: [ecs(3, 24, [81, 2, 69])] },
    { name: "family 0 with an address", options: [ecs(0, 8, [81])] },
    { name: "prefix 33", options: [ecs(1, 33, [81, 2, 69, 142, 0])] },
    { name: "prefix 129", options: [ecs(2, 129, Array<number>(17).fill(0))] },
    { name: "an address too long", options: [ecs(1, 24, [81, 2, 69, 0])] },
    { name: "an address too short", options: [ecs(1, 24, [81, 2])] },
    { name: "no address", options: [ecs(1, 24, [])] },
    { name: "less than its fixed part", options: [[8, Buffer.of(0, 1, 24)] as const] },
    { name: "empty", options: [[8, Buffer.alloc(0)] as const] },
    { name: "twice", options: [ecs(1, 24, [81, 2, 69]), ecs(1, 24, [81, 2, 69])] },
  ])("FORMERR with an OPT: $name", ({ options }) => {
    const { verdict, query } = read(withOptions(...options));
    expect([verdict, rcodeName(query.rcode), query.hasEdns]).toEqual(["refused", "FORMERR", true]);
    expect([query.subnetAt, query.subnet]).toEqual([0, undefined]);
  });
});

describe("any bytes", () => {
  const mutated = fc
    .tuple(
      fc.constantFrom(
        queryBytes(),
        queryBytes({ edns: {} }),
        withOptions(ecs(1, 24, [81, 2, 69]), [3, Buffer.alloc(0)]),
      ),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
    )
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  it("are read, refused or passed over in silence, but never throw", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 600 }), mutated), (bytes) => {
        expect(["silence", "refused", "query"]).toContain(read(bytes).verdict);
      }),
      { numRuns: 2_000 },
    );
  });
});
