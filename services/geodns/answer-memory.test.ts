import { getHeapStatistics } from "node:v8";
import { describe, expect, it, vi } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { ecs, queryBytes } from "#test/support/dns.ts";
import type { QueryOptions } from "#test/support/dns.ts";
import { signedAtSeconds, signersOf } from "#test/support/dnssec.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "./answer.ts";
import { Peer } from "./peer.ts";
import { Query } from "./wire/query.ts";

describe("what an answer allocates", () => {
  const answerer = new Answerer(signedSnapshotOf(signersOf().signers), termsOf());
  Array.from(answerer.signed.prepare(answerer.snapshot, signedAtSeconds, 65_536));
  const peer = new Peer();
  const out = Buffer.alloc(65_535);
  const withDo = { edns: { flags: 0x8000 } };
  const answers = 50_000;
  // The smallest object has 16. The counter steps by what is left of a page: up to 256 KiB, 5 for each answer.
  const bytesMax = 8;
  const roundsMax = 20; // until all of it is compiled as it will stay, on a machine that may be busy

  it.each<{ what: string; query?: QueryOptions; from?: string }>([
    { what: "a steered name", query: {} },
    { what: "a steered name, with a client subnet", query: { edns: { options: [ecs(1, 24, [81, 2, 69])] } } },
    { what: "with one of IPv6", query: { edns: { options: [ecs(2, 56, [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0])] } } },
    { what: "a steered name, to a client of IPv6", query: {}, from: "2001:db8:1::7" },
    { what: "a steered name, signed", query: withDo },
    { what: "HTTPS", query: { type: 65 } },
    { what: "a static record", query: { name: "ns1.stream.test" } },
    { what: "a static record, signed", query: { name: "ns1.stream.test", ...withDo } },
    { what: "a record of a wildcard", query: { name: "x.to.geo.stream.test" } },
    { what: "ANY", query: { type: 255 } },
    { what: "NXDOMAIN", query: { name: "none.stream.test" } },
    { what: "NODATA", query: { name: "ns1.stream.test", type: 16 } },
    { what: "NODATA, signed", query: { name: "ns1.stream.test", type: 16, ...withDo } },
    { what: "a referral", query: { name: "x.sub.stream.test" } },
    { what: "a name outside every dnsZone", query: { name: "example.org" } },
    { what: "another class", query: { class: 4 } },
    { what: "class CH, not TXT", query: { class: 3 } },
    { what: "OPT as the type", query: { type: 41 } },
    { what: "AXFR", query: { type: 252 } },
    { what: "MAILA", query: { type: 254 } },
    { what: "a malformed message" },
  ])("is nothing: $what", ({ query, from = "127.49.0.7" }) => {
    const message = query ? queryBytes(query) : queryBytes().subarray(0, 20);
    const bytesOfOne = () => {
      const before = getHeapStatistics().total_allocated_bytes;
      for (let i = 0; i < answers; i++) {
        peer.take(from);
        answerer.answer(message, peer, "udp", out);
      }
      return (getHeapStatistics().total_allocated_bytes - before) / answers;
    };
    let least = Infinity;
    for (let round = 0; round < roundsMax && least >= bytesMax; round++) least = Math.min(least, bytesOfOne());
    expect(least).toBeLessThan(bytesMax);
    expect(answerer.decision).toBeUndefined();
  });
});

describe("a signed answer that is made in advance", () => {
  const answerer = new Answerer(signedSnapshotOf(signersOf().signers), termsOf());
  Array.from(answerer.signed.prepare(answerer.snapshot, signedAtSeconds, 65_536));

  it.each([
    { what: "a static record", query: { name: "ns1.stream.test" } },
    { what: "NODATA", query: { name: "ns1.stream.test", type: 16 } },
    { what: "a referral", query: { name: "x.sub.stream.test" } },
    { what: "a steered name", query: {} },
  ])("is copied without spelling out the name as a string: $what", ({ query }) => {
    using spelled = vi.spyOn(Query.prototype, "name", "get");
    const message = queryBytes({ ...query, edns: { flags: 0x8000 } });
    const length = answerer.answer(message, { address: parseAddress("127.49.0.7")! }, "udp", Buffer.alloc(65_535));
    expect(length).toBeGreaterThan(message.length);
    expect(spelled).not.toHaveBeenCalled();
  });
});
