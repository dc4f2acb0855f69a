import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it, vi } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { ecs, queryBytes } from "#test/support/dns.ts";
import { signedAtSeconds, signersOf } from "#test/support/dnssec.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf } from "#test/support/geodns-snapshot.ts";
import { Answerer } from "./answer.ts";
import { Query } from "./wire/query.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const answers = 100_000;
// One object that lives for each answer would be 16 bytes at least; the collector's own bookkeeping is far below one.
const livingBytesMax = 2 * answers;

describe("what an answer leaves in memory", () => {
  const answerer = new Answerer(signedSnapshotOf(signersOf().signers), termsOf());
  Array.from(answerer.signed.prepare(answerer.snapshot, signedAtSeconds, 65_536));
  const client = { address: parseAddress("127.49.0.7")! };
  const out = Buffer.alloc(65_535);

  it.each([
    { what: "a steered name, with a client subnet", query: { edns: { options: [ecs(1, 24, [81, 2, 69])] } } },
    { what: "a steered name, signed", query: { edns: { flags: 0x8000 } } },
    { what: "a static record", query: { name: "ns1.stream.test" } },
    { what: "NXDOMAIN", query: { name: "none.stream.test" } },
    { what: "NODATA", query: { name: "ns1.stream.test", type: 16 } },
    { what: "a name outside every dnsZone", query: { name: "example.org" } },
    { what: "a malformed message", query: undefined },
  ])("nothing that lives: $what", ({ query }) => {
    const message = query ? queryBytes(query) : queryBytes().subarray(0, 20);
    const ask = () => {
      for (let i = 0; i < answers; i++) answerer.answer(message, client, "udp", out);
    };
    const usedBytes = () => {
      collectGarbage();
      return getHeapStatistics().used_heap_size;
    };
    ask(); // until it is compiled as it will stay
    const before = usedBytes();
    ask();
    expect(usedBytes() - before).toBeLessThan(livingBytesMax);
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
