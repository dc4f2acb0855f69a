import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Rig, rcodes } from "./rig.ts";

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start(101);
});
afterAll(() => rig[Symbol.asyncDispose]());
const soa = { type: 6, name: "stream.test" };

describe("types", () => {
  it.each([99, 999, 4_242, 65_280, 65_535])(
    "type %i, unknown, at a name that exists: NODATA with the SOA",
    async (type) => {
      const reply = await rig.ask({ name: "ns1.stream.test", type });
      expect(reply).toMatchObject({ rcode: rcodes.NOERROR, aa: true, answers: [], authority: [soa] });
    },
  );

  it.each([
    { name: "AXFR", type: 252 },
    { name: "IXFR", type: 251 },
  ])("$name is REFUSED, over UDP and TCP", async ({ type }) => {
    const query = { name: "stream.test", type, edns: {} };
    for (const reply of [await rig.ask(query), await rig.askTcp(query)])
      expect(reply).toMatchObject({ rcode: rcodes.REFUSED, aa: false, answers: [] });
  });

  it("ANY is one HINFO that says RFC8482; at a missing name NXDOMAIN", async () => {
    for (const name of ["stream.test", "www.stream.test", "ns1.stream.test"]) {
      const reply = await rig.ask({ name, type: 255 });
      expect(reply).toMatchObject({ rcode: rcodes.NOERROR, answers: [{ name, type: 13 }] });
      expect(reply.answers[0]?.text).toContain("RFC8482");
    }
    const missing = await rig.ask({ name: "no.stream.test", type: 255 });
    expect(missing).toMatchObject({ rcode: rcodes.NXDOMAIN, answers: [], authority: [soa] });
  });
});

describe("classes", () => {
  it.each([0, 2, 4, 254, 255, 999])("class %i is REFUSED", async (code) => {
    expect(await rig.ask({ class: code })).toMatchObject({ rcode: rcodes.REFUSED, aa: false, answers: [] });
  });

  it.each([
    { name: "version.bind", text: "\x09watershed" },
    { name: "version.server", text: "\x09watershed" },
    { name: "id.server", text: "\x03ns1" },
    { name: "hostname.bind", text: "\x03ns1" },
    { name: "ID.Server", text: "\x03ns1" },
  ])("class CH, TXT $name is the configured text", async ({ name, text }) => {
    expect(await rig.ask({ name, type: 16, class: 3 })).toMatchObject({ rcode: 0, answers: [{ class: 3, text }] });
  });

  it("class CH, anything else is REFUSED", async () => {
    for (const name of ["authors.bind", "www.stream.test"])
      expect(await rig.ask({ name, type: 16, class: 3 })).toMatchObject({ rcode: rcodes.REFUSED });
  });
});

describe("outside every dnsZone", () => {
  it.each(["example.org", "test", "stream.tes", "xstream.test", "com", "."])(
    "%s: REFUSED, nothing about others",
    async (name) => {
      const reply = await rig.ask({ name, edns: {} });
      expect(reply).toMatchObject({ rcode: rcodes.REFUSED, aa: false, answers: [], authority: [] });
      expect(reply.opt?.options.get(15)?.readUInt16BE(0)).toBe(20); // not authoritative, RFC 8914 §4.21
    },
  );
});
