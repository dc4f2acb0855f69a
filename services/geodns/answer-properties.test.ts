import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ecs, queryBytes, uint16 } from "#test/support/dns.ts";
import type { EdnsOptions, ReadRecord, ReadReply } from "#test/support/dns.ts";
import { signersOf } from "#test/support/dnssec.ts";
import { addressesOf, answer, ask } from "#test/support/geodns-answers.ts";
import { signedSnapshotOf, snapshotOf } from "#test/support/geodns-snapshot.ts";
import type { Transport } from "./answer.ts";

/** Without what compression makes of it: negative answers of a dnsZone share their bytes. */
function meaningOf({ bytes: _bytes, answers, authority, ...rest }: ReadReply) {
  const withoutData = ({ data: _data, text, ...record }: ReadRecord) => ({
    ...record,
    text: record.type === 6 ? "" : text,
  });
  return { ...rest, answers: answers.map(withoutData), authority: authority.map(withoutData) };
}

describe("what is compiled says the same as the rules that explain it", () => {
  const name = fc.oneof(
    fc.constantFrom("stream.test", "www.stream.test", "api.stream.test", "ns1.stream.test", "big.stream.test"),
    fc.constantFrom("x.wild.stream.test", "a.b.wild.stream.test", "*.wild.stream.test", "to.alias.stream.test"),
    fc.constantFrom("here.stream.test", "deep.here.stream.test", "x.here.stream.test", "x.to.geo.stream.test"),
    fc.constantFrom(
      "sub.stream.test",
      "x.sub.stream.test",
      "into.stream.test",
      "x.into.stream.test",
      "a.tree.stream.test",
      "signed.stream.test",
      "x.signed.stream.test",
    ),
    fc.constantFrom(
      "tree.stream.test",
      "no.tree.stream.test",
      "child.stream.test",
      "x.child.stream.test",
      "ent.stream.test",
    ),
    fc.constantFrom("no.stream.test", "x.y.no.stream.test", "test", "example.org", ""),
  );
  const type = fc.constantFrom(
    1,
    2,
    5,
    6,
    15,
    16,
    28,
    39,
    41,
    43,
    46,
    47,
    48,
    59,
    60,
    64,
    65,
    128,
    249,
    250,
    252,
    253,
    254,
    255,
    999,
  );
  const client = fc.constantFrom([127, 49, 0, 7], [127, 1, 0, 7], [127, 49, 7, 7], [9, 9, 9, 9]);

  const dnssec = fc.constantFrom(0, 0, 0x8000, 0xc000); // DO, and CO beside it

  const { signers } = signersOf();

  it("for every name and type, signed or not", () => {
    fc.assert(
      fc.property(name, type, client, fc.boolean(), dnssec, (name, type, client, tcp, flags) => {
        const transport = tcp ? "tcp" : "udp";
        const subnet = ecs(1, 32, client);
        const signed = flags !== 0;
        const askFresh = (options: EdnsOptions["options"] & {}) => {
          const snapshot = signed ? signedSnapshotOf(signers) : snapshotOf();
          return ask({ name, type, edns: { flags, options } }, { transport, snapshot })!;
        };
        const compiled = askFresh([subnet]);
        // Its decision is asked to be recorded: it is made by the rules, and encoded anew.
        const trace = [65_001, Buffer.from("trace-0001")] as const;
        const decided = askFresh([subnet, trace]);
        expect(meaningOf(compiled)).toEqual(meaningOf(decided));
      }),
      { numRuns: 2_000 },
    );
  }, 120_000); // each run encodes its own answers, twice, and a busy machine has little time for it
});

describe("any bytes", () => {
  const snapshot = signedSnapshotOf(signersOf().signers);
  const seeds = [
    queryBytes(),
    queryBytes({ name: "none.stream.test", edns: { flags: 0xc000 } }),
    queryBytes({ name: "stream.test", type: 255, edns: {} }),
    queryBytes({ edns: { options: [ecs(1, 24, [81, 2, 69]), [3, Buffer.alloc(0)]] } }),
  ];
  const changed = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(90), fc.nat(255)), { maxLength: 5 }), fc.nat(120))
    .map(([seed, changes, length]) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, length);
    });
  it("get silence or a well-formed reply with their id", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 600 }), changed),
        fc.constantFrom<Transport>("udp", "tcp"),
        (bytes, transport) => {
          const reply = answer(bytes, "127.49.0.7", transport, snapshot);
          if (!reply) return;
          expect(reply.qr).toBe(true);
          expect(uint16(reply.id)).toEqual(Buffer.from(bytes.subarray(0, 2)));
          expect(reply.bytes).toBeLessThanOrEqual(transport === "tcp" ? 65_535 : 1_232);
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("every address inside a scope gets the same region", () => {
    fc.assert(
      fc.property(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255), (second, third, fourth, noise) => {
        const at = (address: readonly number[]) => ask({ edns: { options: [ecs(1, 32, address)] } }, { snapshot })!;
        const one = [127, second % 64, third % 16, fourth];
        const reply = at(one);
        const scope = reply.opt!.options.get(8)![3]!;
        const other = one.map((byte, i) => {
          const hostBits = Math.max(0, Math.min(8, 8 * (i + 1) - scope));
          return byte ^ (noise & ((1 << hostBits) - 1));
        });
        const prefixOf = (text: string) => text.split(".")[0];
        expect(prefixOf(addressesOf(at(other))![0]!)).toBe(prefixOf(addressesOf(reply)![0]!));
      }),
    );
  });
});
