/** SipHash-2-4, a short keyed hash: 128 bits of key, 64 bits out. Node has it nowhere. The state is four numbers of 64 bits, each
 * kept as two halves of 32 in local variables: nothing is allocated.
 * @see https://www.aumasson.jp/siphash/siphash.pdf */

const blockBytes = 8;
const compressionRounds = 2;
const finalRounds = 4;

/** Writes the 8 bytes of the hash, in the order of the reference implementation (little-endian).
 * @param key words of 32 bits, little-endian; four of them from `keyAt` on
 * @param length bytes of `input` that are hashed, from its start */
export function sipHash24(
  key: Uint32Array,
  keyAt: number,
  input: Uint8Array,
  length: number,
  output: Uint8Array,
  outputAt: number,
): void {
  const k0l = key[keyAt] ?? 0;
  const k0h = key[keyAt + 1] ?? 0;
  const k1l = key[keyAt + 2] ?? 0;
  const k1h = key[keyAt + 3] ?? 0;
  // "somepseudorandomlygeneratedbytes"
  let v0l = k0l ^ 0x70736575;
  let v0h = k0h ^ 0x736f6d65;
  let v1l = k1l ^ 0x6e646f6d;
  let v1h = k1h ^ 0x646f7261;
  let v2l = k0l ^ 0x6e657261;
  let v2h = k0h ^ 0x6c796765;
  let v3l = k1l ^ 0x79746573;
  let v3h = k1h ^ 0x74656462;

  // One turn a block, the last with the length in its top byte, then one that ends the hash.
  const lastBlock = length >> 3;
  for (let block = 0; block <= lastBlock + 1; block++) {
    const isEnd = block > lastBlock;
    const at = block * blockBytes;
    const ml = isEnd ? 0 : word(input, at, length);
    const mh = isEnd ? 0 : word(input, at + 4, length) | (block === lastBlock ? length << 24 : 0);
    v3l ^= ml;
    v3h ^= mh;
    if (isEnd) v2l ^= 0xff;
    for (let round = isEnd ? finalRounds : compressionRounds; round > 0; round--) {
      let low = (v0l >>> 0) + (v1l >>> 0);
      v0h = (v0h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
      v0l = low | 0;
      let high = (v1h << 13) | (v1l >>> 19);
      v1l = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
      v1h = high ^ v0h;
      high = v0l;
      v0l = v0h;
      v0h = high;

      low = (v2l >>> 0) + (v3l >>> 0);
      v2h = (v2h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
      v2l = low | 0;
      high = (v3h << 16) | (v3l >>> 16);
      v3l = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
      v3h = high ^ v2h;

      low = (v0l >>> 0) + (v3l >>> 0);
      v0h = (v0h + v3h + (low > 0xffffffff ? 1 : 0)) | 0;
      v0l = low | 0;
      high = (v3h << 21) | (v3l >>> 11);
      v3l = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
      v3h = high ^ v0h;

      low = (v2l >>> 0) + (v1l >>> 0);
      v2h = (v2h + v1h + (low > 0xffffffff ? 1 : 0)) | 0;
      v2l = low | 0;
      high = (v1h << 17) | (v1l >>> 15);
      v1l = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
      v1h = high ^ v2h;
      high = v2l;
      v2l = v2h;
      v2h = high;
    }
    v0l ^= ml;
    v0h ^= mh;
  }
  writeWord(output, outputAt, v0l ^ v1l ^ v2l ^ v3l);
  writeWord(output, outputAt + 4, v0h ^ v1h ^ v2h ^ v3h);
}

/** Four bytes, little-endian; those from `end` on count as 0. */
function word(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  for (let i = Math.min(4, end - at) - 1; i >= 0; i--) value = (value << 8) | (bytes[at + i] ?? 0);
  return value;
}

function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
