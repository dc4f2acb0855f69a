import type { AddressBytes } from "#shared/core/cidr.ts";

/** Seed of every `jhash` that we have the kernel compute: part of which client goes where. */
export const hashSeed = 0x77617465;

/** The slot that `jhash ip saddr mod SLOTS seed SEED` of nftables gives an address, so that explain can foretell it.
 * @see Linux include/linux/jhash.h (Bob Jenkins' lookup3) and net/netfilter/nft_hash.c */
export function slotOfAddress(address: AddressBytes, slots: number): number {
  return Number((BigInt(jhash(address, hashSeed)) * BigInt(slots)) >> 32n);
}

/** @returns 32 bits, unsigned */
export function jhash(key: AddressBytes, seed: number): number {
  const word = (at: number) =>
    (key[at] ?? 0) | ((key[at + 1] ?? 0) << 8) | ((key[at + 2] ?? 0) << 16) | ((key[at + 3] ?? 0) << 24);
  const start = (0xdeadbeef + key.length + seed) | 0;
  let [a, b, c] = [start, start, start];
  let at = 0;
  for (; key.length - at > 12; at += 12)
    [a, b, c] = mix((a + word(at)) | 0, (b + word(at + 4)) | 0, (c + word(at + 8)) | 0);
  // Behind the last block of 12 bytes lie 4 of either kind of address; words that are not there are 0.
  return final((a + word(at)) | 0, (b + word(at + 4)) | 0, (c + word(at + 8)) | 0) >>> 0;
}

const rotate = (value: number, by: number) => (value << by) | (value >>> (32 - by));

const distances = [4, 6, 8, 16, 19, 4] as const;

function mix(a: number, b: number, c: number): [number, number, number] {
  // Six steps, each the same but for its distance, with the three numbers changing places.
  for (const distance of distances) [a, b, c] = [b, (c + b) | 0, ((a - c) | 0) ^ rotate(c, distance)];
  return [a, b, c];
}

function final(a: number, b: number, c: number): number {
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}
