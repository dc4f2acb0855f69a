import { describe, expect, it } from "vitest";
import type { QueryOptions, ReadRecord } from "#test/support/dns.ts";
import { signersOf, unsignedOf } from "#test/support/dnssec.ts";
import { ask as askServer } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf, snapshotOf } from "#test/support/geodns-snapshot.ts";
import { typeName, types } from "../wire/codes.ts";
import { typeBitmap } from "./denial.ts";

const { signers, key } = signersOf();
const snapshot = signedSnapshotOf(signers);

function ask(query: QueryOptions, { of = snapshot } = {}) {
  return askServer(query, { client: "127.49.0.7", snapshot: of })!;
}

const withDo = { edns: { flags: 0x8000 } };
const typesOf = (records: readonly { type: number }[]) => records.map(({ type }) => type);
const bits = (...of: number[]) => typeBitmap([...of, types.RRSIG, types.NSEC].sort((a, b) => a - b));

describe("where dnsZones meet", () => {
  const set = ({ answers, authority, additional, ...head }: ReturnType<typeof ask>) => {
    const shown = (records: readonly ReadRecord[]) => records.map(({ name, type }) => `${name} ${typeName(type)}`);
    return {
      rcode: head.rcode,
      aa: head.aa,
      answers: shown(answers),
      authority: shown(authority),
      additional: shown(additional.filter(({ type }) => type !== 41)),
    };
  };
  const denial = ["stream.test SOA", "stream.test RRSIG"];

  it.each([
    {
      what: "a referral to an unsigned dnsZone is proved by an NSEC without DS; its NS and glue are not signed",
      query: { name: "www.sub.stream.test" },
      aa: false,
      authority: ["sub.stream.test NS", "sub.stream.test NS", "sub.stream.test NSEC", "sub.stream.test RRSIG"],
      additional: ["ns.sub.stream.test A", "ns.sub.stream.test AAAA"],
    },
    {
      what: "a referral to a signed dnsZone has its DS, and what goes along out of ours is signed",
      query: { name: "signed.stream.test" },
      aa: false,
      authority: ["signed.stream.test NS", "signed.stream.test DS", "signed.stream.test RRSIG"],
      additional: ["ns1.stream.test A", "ns1.stream.test RRSIG"],
    },
    {
      what: "a DS is an answer of the dnsZone above",
      query: { name: "signed.stream.test", type: types.DS },
      answers: ["signed.stream.test DS", "signed.stream.test RRSIG"],
    },
    {
      what: "that there is none is proved by the dnsZone above",
      query: { name: "sub.stream.test", type: types.DS },
      authority: [...denial, "sub.stream.test NSEC", "sub.stream.test RRSIG"],
    },
    {
      what: "also where the dnsZone below is one of ours",
      query: { name: "child.stream.test", type: types.DS },
      authority: [...denial, "child.stream.test NSEC", "child.stream.test RRSIG"],
    },
    {
      what: "what such an unsigned dnsZone answers is not signed",
      query: { name: "child.stream.test" },
      answers: ["child.stream.test A"],
    },
    {
      what: "an alias into a delegated part is signed",
      query: { name: "into.stream.test" },
      answers: ["into.stream.test CNAME", "into.stream.test RRSIG"],
      authority: ["sub.stream.test NS", "sub.stream.test NS", "sub.stream.test NSEC", "sub.stream.test RRSIG"],
      additional: ["ns.sub.stream.test A", "ns.sub.stream.test AAAA"],
    },
    {
      what: "the alias that a DNAME makes is not signed, the DNAME and what follows are",
      query: { name: "a.tree.stream.test" },
      answers: [
        "tree.stream.test DNAME",
        "tree.stream.test RRSIG",
        "a.tree.stream.test CNAME",
        "a.here.stream.test CNAME",
        "a.here.stream.test RRSIG",
        "www.stream.test A",
        "www.stream.test A",
        "www.stream.test RRSIG",
      ],
    },
    {
      what: "HTTPS of a steered name",
      query: { type: types.HTTPS },
      answers: ["www.stream.test HTTPS", "www.stream.test RRSIG"],
    },
  ])("$what", ({ query, aa = true, answers = [], authority = [], additional = [] }) => {
    const reply = ask({ ...query, ...withDo });
    expect(set(reply)).toEqual({ rcode: 0, aa, answers, authority, additional });
    const notOurs = unsignedOf(reply, key).filter((label) => !/ 2: no sig|^a\.tree|^child/.test(label));
    expect(notOurs).toEqual([]);
  });

  it("the NSEC of a delegation covers nothing of what is below it", () => {
    const { authority } = ask({ name: "a.sub.stream.test", ...withDo });
    const nsec = authority.find(({ type }) => type === types.NSEC)!;
    const next = Buffer.from("\x04sub\0\x06stream\x04test\0", "latin1");
    expect(nsec.data).toEqual(Buffer.concat([next, bits(types.NS)]));
  });

  it("a referral without DO, or out of a dnsZone that is not signed, has no proof", () => {
    const query = { name: "www.sub.stream.test" };
    for (const reply of [ask(query), ask({ ...query, ...withDo }, { of: snapshotOf() })])
      expect(typesOf(reply.authority)).toEqual([types.NS, types.NS]);
  });

  it("a referral serves every name below the delegation, whatever its length", () => {
    for (const name of ["x.sub.stream.test", "a.longer.name.sub.stream.test", "sub.stream.test"])
      expect(set(ask({ name, ...withDo })).additional).toEqual(["ns.sub.stream.test A", "ns.sub.stream.test AAAA"]);
  });
});
