import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { queryBytes, readReply } from "#test/support/dns.ts";
import { signersOf, unsignedOf } from "#test/support/dnssec.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf, snapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "../answer.ts";

const out = Buffer.alloc(65_535);

describe("an answer that was signed", () => {
  const { signers, key } = signersOf();
  const german = { address: parseAddress("127.49.0.7")! };
  const american = { address: parseAddress("127.1.0.7")! };

  /** Asks with DO; says whether the rules were gone through once more. */
  function ask(answerer: Answerer, name: string, { type = 1, client = german, flags = 0x8000 } = {}) {
    const length = answerer.answer(queryBytes({ name, type, edns: { flags } }), client, "udp", out);
    return { reply: readReply(Buffer.from(out.subarray(0, length))), decided: answerer.decision !== undefined };
  }

  it.each([
    { what: "a static name", name: "ns1.stream.test" },
    { what: "an alias", name: "api.stream.test" },
    { what: "a steered name", name: "www.stream.test" },
    { what: "NODATA", name: "ns1.stream.test", type: 16 },
    { what: "NODATA of a steered name", name: "www.stream.test", type: 16 },
    { what: "NODATA of an empty non-terminal", name: "here.stream.test" },
    { what: "a wildcard that is asked literally", name: "*.wild.stream.test" },
  ])("is copied from then on: $what", ({ name, type }) => {
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    for (let i = 0; i < 8; i++) {
      const { reply, decided } = ask(answerer, name, { type });
      expect(unsignedOf(reply, key)).toEqual([]);
      expect(decided).toBe(false);
    }
  });

  it.each([
    { what: "an alias of a wildcard to a steered name", name: "x.to.geo.stream.test", flags: 0x8000, decided: true },
    { what: "a steered name, with CO", name: "www.stream.test", flags: 0xc000, decided: false },
    { what: "a name that is not there, with CO", name: "none.stream.test", flags: 0xc000, decided: false },
    { what: "a name that is not there", name: "none.stream.test", flags: 0x8000, decided: false },
    { what: "a name below a wildcard", name: "x.wild.stream.test", flags: 0x8000, decided: false },
  ])("is decided anew each time, unless it is the same for all: $what", ({ name, flags, decided }) => {
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    for (let i = 0; i < 2; i++) {
      const asked = ask(answerer, name, { flags });
      expect(unsignedOf(asked.reply, key)).toEqual([]);
      expect(asked.decided).toBe(decided);
    }
  });

  it("to a name that is not there goes with the snapshot", () => {
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    const soaOf = () => ask(answerer, "none.stream.test").reply.authority.filter(({ type }) => type !== 47);
    expect(soaOf()).toHaveLength(3);
    answerer.snapshot = snapshotOf();
    expect(soaOf()).toHaveLength(1);
  });

  it("each client has its region, its addresses in turn, and NODATA for one family only", () => {
    const answerer = new Answerer(signedSnapshotOf(signers), termsOf());
    const texts = (client: typeof german) =>
      ask(answerer, "www.stream.test", { client })
        .reply.answers.filter(({ type }) => type === 1)
        .map(({ text }) => text);
    const seen = Array.from({ length: 4 }, () => [texts(german), texts(american)]);
    expect(new Set(seen.map(([inEurope]) => inEurope!.join())).size).toBe(3);
    for (const [inEurope, inAmerica] of seen) {
      expect(inEurope!.every((address) => address.startsWith("192.0.2."))).toBe(true);
      expect(inAmerica!.toSorted()).toEqual(["198.51.100.1", "198.51.100.2"]);
    }
    expect(ask(answerer, "www.stream.test", { type: 28 }).reply.answers).toMatchObject([{ type: 28 }, { type: 46 }]);
    expect(ask(answerer, "www.stream.test", { type: 28, client: american }).reply).toMatchObject({
      answers: [],
      rcode: 0,
    });
  });

  it("costs those without DO nothing: they get the same bytes as from a dnsZone that is not signed", () => {
    const signed = new Answerer(signedSnapshotOf(signers), termsOf());
    const unsigned = new Answerer(snapshotOf(), termsOf());
    for (const name of [
      "www.stream.test",
      "ns1.stream.test",
      "api.stream.test",
      "none.stream.test",
      "x.wild.stream.test",
    ])
      for (const type of [1, 28, 16, 255]) {
        const query = queryBytes({ name, type, edns: {} });
        const [a, b] = [signed, unsigned].map((answerer) => {
          const length = answerer.answer(query, german, "udp", out);
          expect(answerer.decision).toBeUndefined();
          return out.toString("hex", 0, length);
        });
        expect(a).toBe(b);
      }
  });
});
