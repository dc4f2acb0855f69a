import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { optBytes, queryBytes } from "#test/support/dns.ts";
import { Rig, optionCodes, rcodes } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(102);
});
afterAll(() => rig[Symbol.asyncDispose]());

describe("EDNS (RFC 6891, RFC 8906 §3.2)", () => {
  it.each([
    { name: "without options", edns: { version: 1 } },
    { name: "with options", edns: { version: 1, options: [[optionCodes.nsid, Buffer.alloc(0)]] as const } },
    { name: "of version 255", edns: { version: 255 } },
  ])("an unknown version $name: BADVERS, version 0, no answer", async ({ edns }) => {
    const reply = await rig.ask({ edns });
    expect(reply).toMatchObject({ rcode: rcodes.BADVERS, aa: false, answers: [], opt: { version: 0 } });
  });

  it("unknown options are ignored, and do not come back", async () => {
    const options = [
      [4_242, Buffer.from("whatever")],
      [100, Buffer.alloc(0)],
      [65_535, Buffer.alloc(30)],
    ] as const;
    const reply = await rig.ask({ edns: { options } });
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, opt: { version: 0 } });
    expect(reply.opt?.options.size).toBe(0);
  });

  it("unknown flags are cleared; DO comes back", async () => {
    expect((await rig.ask({ edns: { flags: 0xffff } })).opt?.flags).toBe(0x8000);
    expect((await rig.ask({ edns: { flags: 0x7fff } })).opt?.flags).toBe(0);
  });

  it("the server says that it takes 1232 bytes", async () => {
    expect((await rig.ask({ edns: { udpBytes: 4_096 } })).opt?.udpBytes).toBe(1_232);
  });

  it("NSID is told to those who ask (RFC 5001)", async () => {
    const asked = await rig.ask({ edns: { options: [[optionCodes.nsid, Buffer.alloc(0)]] } });
    expect(asked.opt?.options.get(optionCodes.nsid)?.toString()).toBe("ns1");
    expect((await rig.ask({ edns: {} })).opt?.options.has(optionCodes.nsid)).toBe(false);
  });

  it("two OPTs are FORMERR, with an OPT in the reply", async () => {
    const query = Buffer.concat([queryBytes({ edns: {} }), optBytes()]);
    query[11] = 2;
    expect(await rig.askRaw(query)).toMatchObject({ rcode: rcodes.FORMERR, answers: [], opt: { version: 0 } });
  });

  it("an OPT that was read is answered with one in every refusal", async () => {
    for (const query of [{ name: "example.org" }, { class: 4 }, { type: 252 }, { name: "no.stream.test" }])
      expect((await rig.ask({ ...query, edns: {} })).opt).toMatchObject({ version: 0, udpBytes: 1_232 });
  });
});

describe("the size of a reply over UDP", () => {
  it.each([
    { says: 0, max: 512 },
    { says: 100, max: 512 },
    { says: 512, max: 512 },
    { says: 700, max: 700 },
    { says: 1_232, max: 1_232 },
    { says: 65_535, max: 1_232 },
  ])(
    "to a client that says $says is $max at most; record sets are left out whole, with TC, and the OPT stays",
    async ({ says, max }) => {
      for (const name of ["big.stream.test", "huge.stream.test"]) {
        const query = { name, type: 16, edns: { udpBytes: says } };
        const reply = await rig.ask(query);
        expect(reply.bytes).toBeLessThanOrEqual(max);
        const fits = (await rig.askTcp(query)).bytes <= max;
        expect(reply).toMatchObject({ tc: !fits, opt: { version: 0 }, rcode: rcodes.NOERROR });
        expect(reply.answers.length > 0).toBe(fits);
      }
    },
  );

  it("over TCP it is whole, and TC is clear", async () => {
    const reply = await rig.askTcp({ name: "huge.stream.test", type: 16, edns: { udpBytes: 512 } });
    expect(reply).toMatchObject({ tc: false, answers: [{ type: 16 }] });
    expect(reply.bytes).toBeGreaterThan(4_000);
  });
});
