import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TcpClient, nameBytes, optBytes, queryBytes, uint16 } from "#test/support/dns.ts";
import type { ReadReply } from "#test/support/dns.ts";
import { recordBytes, tsigData, withRecords } from "#test/support/dns-records.ts";
import { Rig, hasDig, rcodes } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(120);
});
afterAll(() => rig[Symbol.asyncDispose]());

const [type, anyClass] = [{ a: 1, sig: 24, opt: 41, tsig: 250 }, 255];
const root = Buffer.of(0);

describe("a signed query (RFC 8945, RFC 2931)", () => {
  const key = nameBytes("Some.Key");
  const tsig = (owner: Uint8Array = key, data = tsigData()) => recordBytes(owner, type.tsig, anyClass, 0, data);
  const notAuth = 9;
  /** TSIG error, with the MAC's length before it. */
  const errorOf = (reply: ReadReply) => {
    const record = reply.additional.at(-1)!;
    const algorithm = nameBytes("hmac-sha256");
    const fixed = record.data.subarray(algorithm.length + 8);
    return {
      owner: record.name,
      type: record.type,
      class: record.class,
      ttl: record.ttl,
      algorithm: Buffer.from(record.data.subarray(0, algorithm.length)),
      mac: fixed.readUInt16BE(0),
      originalId: fixed.readUInt16BE(2),
      error: fixed.readUInt16BE(4),
      rest: fixed.subarray(6),
    };
  };
  const badKey = {
    type: type.tsig,
    class: anyClass,
    ttl: 0,
    algorithm: nameBytes("hmac-sha256"),
    mac: 0,
    originalId: 0x1234,
    error: 17,
    rest: Buffer.of(0, 0),
  };

  it.each([
    { name: "without EDNS", query: queryBytes(), edns: false },
    { name: "with EDNS, whose OPT stands before it", query: queryBytes({ edns: {} }), edns: true },
  ])("by TSIG, $name: NOTAUTH, and an unsigned TSIG that says BADKEY", async ({ query, edns }) => {
    const reply = await rig.askBoth(withRecords(query, [tsig()]));
    expect(reply).toMatchObject({ rcode: notAuth, aa: false, answers: [], authority: [] });
    expect(reply.additional.map((record) => record.type)).toEqual(edns ? [type.opt, type.tsig] : [type.tsig]);
    expect(errorOf(reply)).toEqual({ owner: "Some.Key", ...badKey });
  });

  it("whose key is named by a pointer into the question gets the same name back", async () => {
    expect(errorOf(await rig.askBoth(withRecords(queryBytes(), [tsig(Buffer.of(0xc0, 12))])))).toEqual({
      owner: "www.stream.test",
      ...badKey,
    });
  });

  it("whose reply does not fit over UDP is told NOTAUTH without a TSIG", async () => {
    const long = nameBytes([63, 63, 63, 50].map((length) => "k".repeat(length)).join("."));
    const message = withRecords(queryBytes({ name: `${"q".repeat(60)}.${"q".repeat(60)}.stream.test` }), [
      tsig(long, tsigData(long)),
    ]);
    expect(await rig.askRaw(message)).toMatchObject({ rcode: notAuth, additional: [] });
    using tcp = new TcpClient(rig.address);
    expect((await tcp.ask(message)).additional).toHaveLength(1);
  });

  const data = tsigData();
  it.each([
    { name: "two of them", message: withRecords(queryBytes(), [tsig(), tsig()]) },
    { name: "one before the OPT", message: withRecords(queryBytes(), [tsig(), optBytes()]) },
    { name: "one in the authority section", message: withRecords(queryBytes(), [tsig()], 8) },
    { name: "another class than ANY", message: withRecords(queryBytes(), [recordBytes(key, 250, 1, 0, data)]) },
    { name: "a TTL", message: withRecords(queryBytes(), [recordBytes(key, 250, anyClass, 1, data)]) },
    { name: "no data", message: withRecords(queryBytes(), [tsig(key, Buffer.alloc(0))]) },
    { name: "data that is cut", message: withRecords(queryBytes(), [tsig(key, data.subarray(0, -1))]) },
    { name: "data that is too long", message: withRecords(queryBytes(), [tsig(key, Buffer.concat([data, root]))]) },
    {
      name: "a MAC longer than the data",
      message: withRecords(queryBytes(), [tsig(key, Buffer.concat([data.subarray(0, 21), uint16(9_999)]))]),
    },
    {
      name: "an algorithm that is compressed",
      message: withRecords(queryBytes(), [tsig(key, tsigData(Buffer.of(0xc0, 12)))]),
    },
    {
      name: "a key named by a pointer to what does not go back",
      message: withRecords(queryBytes(), [
        recordBytes(nameBytes("other"), 99, 1, 0, Buffer.alloc(0)),
        tsig(Buffer.of(0xc0, 33)),
      ]),
    },
    {
      name: "a key named by a pointer into a label",
      message: withRecords(queryBytes(), [tsig(Buffer.of(0xc0, 14))]),
    },
    {
      name: "a key whose name gets too long by its pointer",
      message: withRecords(queryBytes({ name: `${"q".repeat(63)}.stream.test` }), [
        tsig(
          Buffer.concat([
            nameBytes([63, 63, 62].map((length) => "k".repeat(length)).join(".")).subarray(0, -1),
            Buffer.of(0xc0, 12),
          ]),
        ),
      ]),
    },
    { name: "two questions", message: withRecords(queryBytes({ questions: 2 }), [tsig()]) },
  ])("by TSIG, malformed: $name", async ({ message }) => {
    const reply = await rig.askBoth(message);
    expect(reply).toMatchObject({ rcode: rcodes.FORMERR, answers: [] });
    expect(reply.additional.every((record) => record.type === type.opt)).toBe(true);
  });

  it("by SIG(0) is answered as if it were not signed", async () => {
    const sig = recordBytes(root, type.sig, anyClass, 0, Buffer.alloc(40, 1));
    const reply = await rig.askBoth(withRecords(queryBytes({ name: "ns1.stream.test" }), [sig]));
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true, answers: [{ type: type.a }], additional: [] });
  });

  it.skipIf(!hasDig)("dig -y reads BADKEY (skipped without dig)", async () => {
    for (const transport of ["+notcp", "+tcp"]) {
      const printed = await rig.dig(transport, "-y", "hmac-sha256:some.key:c2VjcmV0c2VjcmV0", "www.stream.test");
      expect(printed).toMatch(/status: NOTAUTH/);
      expect(printed).toMatch(/some\.key\.\s+0\s+ANY\s+TSIG\s+hmac-sha256\. .* BADKEY 0/);
    }
  });
});
