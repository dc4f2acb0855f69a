import type { Random } from "#shared/core/random.ts";

const changesMax = 6;

/** One message of a corpus changed here and there: bytes, lengths, parts cut out, doubled or taken from another; a few not
 * at all.
 * @param telling bytes that mean something in this protocol */
export function mutate(corpus: readonly Buffer[], telling: readonly number[], random: Random): Buffer {
  const below = (end: number) => Math.floor(random() * end);
  const any = () => corpus[below(corpus.length)] ?? Buffer.alloc(0);
  let bytes = Buffer.from(any());
  for (let changes = below(changesMax); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    const [before, rest, other] = [bytes.subarray(0, at), bytes.subarray(at), any()];
    const changed: readonly (() => Buffer)[] = [
      () => Buffer.concat([before, Buffer.of(below(256)), rest.subarray(1)]),
      () => Buffer.concat([before, Buffer.of(telling[below(telling.length)] ?? 0), rest.subarray(1)]),
      () => Buffer.concat([before, rest.subarray(below(8))]),
      () => Buffer.concat([before, Buffer.of(below(256), below(256)), rest.subarray(2)]),
      () => Buffer.concat([before, other.subarray(below(other.length))]),
      () => Buffer.concat([bytes, rest.subarray(0, 100)]),
      () => before,
    ];
    bytes = Buffer.from((changed[below(changed.length)] ?? (() => before))());
  }
  return bytes;
}
