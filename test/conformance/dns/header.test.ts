import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queryBytes } from "#test/support/dns.ts";
import { Rig, rcodes } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(100);
});
afterAll(() => rig[Symbol.asyncDispose]());

describe("a query without EDNS (RFC 1035 §4.1, RFC 6891 §7)", () => {
  it("gets AA and no RA, no OPT, and 512 bytes at most", async () => {
    const reply = await rig.ask();
    expect(reply).toMatchObject({ qr: true, aa: true, ra: false, tc: false, opt: undefined, rcode: rcodes.NOERROR });
    expect(reply.answers).toHaveLength(2);
    const cut = await rig.ask({ name: "big.stream.test", type: 16 });
    expect(cut).toMatchObject({ tc: true, opt: undefined });
    expect(cut.bytes).toBeLessThanOrEqual(512);
  });
});

describe("flags of the header", () => {
  it("RD comes back as it was sent", async () => {
    expect(await rig.ask({ flags: 0x0100 })).toMatchObject({ rd: true });
    expect(await rig.ask({ flags: 0 })).toMatchObject({ rd: false });
  });

  it("Z, AD, CD, TC and RA do not come back (RFC 1035 §4.1.1, RFC 4035 §3.1.6)", async () => {
    const reply = await rig.ask({ flags: 0x02f0, edns: { flags: 0x8000 } });
    expect(reply).toMatchObject({ tc: false, ra: false, reserved: 0, rcode: rcodes.NOERROR });
  });
});

describe("opcodes (RFC 8906 §3.1.4)", () => {
  it.each([1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])(
    "%i: NOTIMP with its opcode, and no section",
    async (opcode) => {
      const reply = await rig.ask({ flags: opcode << 11 });
      expect(reply).toMatchObject({ rcode: rcodes.NOTIMP, opcode, aa: false, answers: [], authority: [] });
      expect(reply.question).toHaveLength(0);
    },
  );

  it.each([
    { name: "NOTIFY", opcode: 4 },
    { name: "UPDATE", opcode: 5 },
  ])("$name is answered with NOTIMP or REFUSED, never with silence", async ({ opcode }) => {
    const query = { name: "stream.test", type: 6, flags: opcode << 11 };
    for (const reply of [await rig.ask(query), await rig.askTcp(query)]) {
      expect([rcodes.NOTIMP, rcodes.REFUSED]).toContain(reply.rcode);
      expect(reply.opcode).toBe(opcode);
    }
  });
});

describe("the question", () => {
  it("comes back byte by byte, upper and lower case too; names match without regard to it (RFC 4343)", async () => {
    const query = queryBytes({ name: "wWw.sTReaM.TesT" });
    const reply = await rig.askRaw(query);
    expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true, question: query.subarray(12) });
    expect(reply.answers.map(({ name }) => name)).toEqual(["wWw.sTReaM.TesT", "wWw.sTReaM.TesT"]);
  });

  it("comes back in negative answers and refusals too", async () => {
    for (const name of ["No.Stream.Test", "Example.ORG"]) {
      const query = queryBytes({ name });
      expect((await rig.askRaw(query)).question).toEqual(query.subarray(12));
    }
  });
});
