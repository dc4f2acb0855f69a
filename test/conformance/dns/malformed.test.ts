import dgram from "node:dgram";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { nameBytes, optBytes, queryBytes, uint16 } from "#test/support/dns.ts";
import { Rig, rcodes } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(103);
});
afterAll(() => rig[Symbol.asyncDispose]());

const header = (counts: readonly number[] = [1, 0, 0, 0]) =>
  Buffer.concat([uint16(0x4242), uint16(0), ...counts.map(uint16)]);
const tail = Buffer.of(0, 1, 0, 1);
const question = Buffer.concat([nameBytes("www.stream.test"), tail]);
const cutOpt = optBytes({ options: [[3, Buffer.alloc(0)]] }).subarray(0, -2);

describe("what is no query gets no reply (RFC 8906 §3.1)", () => {
  it.each([
    { name: "a reply", message: queryBytes({ id: 1, flags: 0x8000 }) },
    { name: "a reply with EDNS", message: queryBytes({ id: 1, flags: 0x8400, edns: {} }) },
    { name: "nothing", message: Buffer.alloc(0) },
    { name: "one byte", message: Buffer.of(1) },
    { name: "half a header", message: queryBytes({ id: 1 }).subarray(0, 11) },
  ])("$name", async ({ message }) => {
    expect(await rig.firstReplyAfter(message)).toBe(0x7777);
  });
});

describe("a query from a port whose service answers whatever comes", () => {
  it.each([7, 19])("port %i: no reply", async (port) => {
    const forged = dgram.createSocket("udp4");
    const bound = Promise.withResolvers<boolean>();
    forged.once("error", () => bound.resolve(false));
    forged.bind(port, "127.0.0.5", () => bound.resolve(true));
    // Without the right to bind low ports there is nothing to show.
    if (!(await bound.promise)) return expect(process.getuid?.()).not.toBe(0);
    const got: Buffer[] = [];
    forged.on("message", (message) => void got.push(message));
    const { host, port: to } = parseSocketAddress(rig.address)!;
    await new Promise<void>((resolve) => forged.send(queryBytes(), to, host, () => resolve()));
    await rig.ask(); // answered behind it
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    forged.close();
    expect(got).toEqual([]);
  });
});

describe("a malformed query is FORMERR, with its id", () => {
  it.each([
    { name: "a header alone", message: header([0, 0, 0, 0]) },
    { name: "no question, though one is announced", message: header() },
    { name: "two questions", message: Buffer.concat([header([2, 0, 0, 0]), question, question]) },
    { name: "65535 questions", message: Buffer.concat([header([65_535, 0, 0, 0]), question]) },
    { name: "bytes behind the question", message: Buffer.concat([header(), question, Buffer.of(0)]) },
    {
      name: "bytes behind the OPT",
      message: Buffer.concat([header([1, 0, 0, 1]), question, optBytes(), Buffer.of(7)]),
    },
    { name: "a question cut in its name", message: Buffer.concat([header(), question.subarray(0, 6)]) },
    { name: "a question cut in its type", message: Buffer.concat([header(), question.subarray(0, -3)]) },
    {
      name: "a name of 256 bytes",
      message: Buffer.concat([header(), nameBytes(`${"a".repeat(62)}.`.repeat(4) + "bb"), tail]),
    },
    {
      name: "a label of 64 bytes",
      message: Buffer.concat([header(), Buffer.of(64), Buffer.alloc(64, 97), Buffer.of(0), tail]),
    },
    { name: "a pointer to itself", message: Buffer.concat([header(), Buffer.of(0xc0, 12), tail]) },
    { name: "a pointer forward", message: Buffer.concat([header(), Buffer.of(0xc0, 16), tail]) },
    { name: "a pointer into the header", message: Buffer.concat([header(), Buffer.of(0xc0, 0), tail]) },
    { name: "a cut pointer", message: Buffer.concat([header(), Buffer.of(0xc0)]) },
    { name: "pointers in a loop", message: Buffer.concat([header(), Buffer.of(1, 97, 0xc0, 12), tail]) },
    { name: "an OPT that is announced but not there", message: Buffer.concat([header([1, 0, 0, 1]), question]) },
    { name: "a cut OPT", message: Buffer.concat([header([1, 0, 0, 1]), question, cutOpt]) },
    {
      name: "an answer in the query",
      message: Buffer.concat([header([1, 1, 0, 0]), question, question, Buffer.alloc(6)]),
    },
  ])("$name", async ({ message }) => {
    expect(await rig.askRaw(message)).toMatchObject({ id: 0x4242, rcode: rcodes.FORMERR, aa: false, answers: [] });
  });

  it.each([
    { name: "an option longer than the OPT", data: Buffer.of(0, 3, 0, 9) },
    { name: "half an option", data: Buffer.of(0, 3, 0) },
  ])("$name, with an OPT in the reply", async ({ data }) => {
    const opt = Buffer.concat([optBytes().subarray(0, -2), uint16(data.length), data]);
    const reply = await rig.askRaw(Buffer.concat([header([1, 0, 0, 1]), question, opt]));
    expect(reply).toMatchObject({ rcode: rcodes.FORMERR, opt: { version: 0 } });
  });

  it("the longest name that there may be is looked up", async () => {
    const name = [63, 63, 63, 49].map((length) => "a".repeat(length)).join(".") + ".stream.test";
    expect(nameBytes(name)).toHaveLength(255);
    expect(await rig.ask({ name })).toMatchObject({ rcode: rcodes.NXDOMAIN, aa: true });
  });
});
