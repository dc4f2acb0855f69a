import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import type { Random } from "#shared/core/random.ts";
import { Answerer } from "#geodns/answer.ts";
import type { Transport } from "#geodns/answer.ts";
import { ecs, nameBytes, optBytes, queryBytes, readReply, uint16 } from "#test/support/dns.ts";
import { recordBytes, tsigData, withRecords } from "#test/support/dns-records.ts";
import { termsOf } from "#test/support/geodns-answers.ts";
import { snapshotOf } from "#test/support/geodns-snapshot.ts";

/** How long, and from where: a failure names the seed, which finds it again. */
const seconds = Number(process.env["WATERSHED_FUZZ_SECONDS"] ?? 2);
const seed = Number(process.env["WATERSHED_FUZZ_SEED"] ?? Date.now() % 1_000_000);
const roundsBetweenLooks = 1_000; // at the clock
const udpBytesMax = 1_232;

const corpus: readonly Buffer[] = [
  queryBytes(),
  queryBytes({ name: "", type: 2 }),
  queryBytes({ name: "a.b.wild.stream.test", type: 255, edns: { flags: 0x8000 } }),
  queryBytes({ name: "big.stream.test", type: 16, edns: { udpBytes: 512 } }),
  queryBytes({ edns: { options: [ecs(1, 24, [81, 2, 69]), [3, Buffer.alloc(0)], [10, Buffer.alloc(8, 7)]] } }),
  queryBytes({ edns: { options: [ecs(2, 56, [0x20, 1, 0xd, 0xb8, 0, 0, 1]), [12, Buffer.alloc(40)]] } }),
  queryBytes({
    edns: {
      options: [
        [65_001, Buffer.from("trace-0001")],
        [11, Buffer.alloc(0)],
      ],
    },
  }),
  queryBytes({ name: "version.bind", type: 16, class: 3 }),
  queryBytes({ flags: 5 << 11, edns: {} }),
  Buffer.concat([queryBytes({ edns: {} }), optBytes()]),
  withRecords(queryBytes({ edns: {} }), [recordBytes(nameBytes("key"), 250, 255, 0, tsigData())]),
  withRecords(queryBytes(), [recordBytes(Buffer.of(0xc0, 12), 250, 255, 0, tsigData())]),
];

/** One message changed here and there: bytes, lengths, counts, parts cut out, doubled or taken from another. */
function mutate(random: Random): Buffer {
  const below = (end: number) => Math.floor(random() * end);
  let bytes = Buffer.from(corpus[below(corpus.length)]!);
  for (let changes = below(6); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    const rest = bytes.subarray(at);
    const other = corpus[below(corpus.length)]!;
    const changed: readonly (() => Buffer)[] = [
      () => Buffer.concat([bytes.subarray(0, at), Buffer.of(below(256)), rest.subarray(1)]),
      () => Buffer.concat([bytes.subarray(0, at), Buffer.of([0, 1, 63, 64, 0xc0, 0xff][below(6)]!), rest.subarray(1)]),
      () => Buffer.concat([bytes.subarray(0, at), rest.subarray(below(8))]),
      () => Buffer.concat([bytes.subarray(0, at), uint16(below(65_536)), rest.subarray(2)]),
      () => Buffer.concat([bytes.subarray(0, at), other.subarray(below(other.length))]),
      () => Buffer.concat([bytes, rest.subarray(0, 100)]),
      () => Buffer.concat([bytes.subarray(0, 12), nameBytes("x".repeat(1 + below(63))), rest]),
      () => bytes.subarray(0, at),
    ];
    bytes = Buffer.from(changed[below(changed.length)]!());
  }
  return bytes;
}

describe("messages changed by chance", () => {
  it(
    `get silence or a well-formed reply, ${seconds} s long from seed ${seed}`,
    () => {
      const random = seededRandom(seed);
      const answerer = new Answerer(snapshotOf(), termsOf({ secrets: Uint32Array.of(1, 2, 3, 4) }));
      const out = Buffer.alloc(65_535);
      const client = { address: Uint8Array.of(127, 49, 0, 7) };
      const endMs = performance.now() + seconds * 1_000;
      let rounds = 0;
      let replies = 0;
      while (rounds % roundsBetweenLooks !== 0 || performance.now() < endMs) {
        rounds++;
        const message = mutate(random);
        const transport: Transport = random() < 0.8 ? "udp" : "tcp";
        const found = `${transport} ${message.toString("hex")} (round ${rounds})`;
        try {
          const length = answerer.answer(message, client, transport, out);
          const mayReply = message.length >= 12 && (message[2]! & 0x80) === 0;
          if (length > 0 !== mayReply) throw new Error(mayReply ? "no reply" : "a reply to what is no query");
          if (length === 0) continue;
          replies++;
          const reply = readReply(Buffer.from(out.subarray(0, length)));
          if (!reply.qr || reply.id !== message.readUInt16BE(0)) throw new Error("not its reply");
          if (transport === "udp" && length > udpBytesMax) throw new Error(`${length} bytes over UDP`);
        } catch (error) {
          throw new Error(found, { cause: error });
        }
      }
      // The mutations are of use only while many of them still get an answer.
      expect(replies / rounds).toBeGreaterThan(0.5);
    },
    (seconds + 30) * 1_000,
  );
});
