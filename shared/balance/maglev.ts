import { assert } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";

/** The order in which one candidate asks for slots: offset, offset + skip, offset + 2 × skip ... modulo the size. */
export interface Permutation {
  readonly offset: number;
  /** 1..size-1. The size is prime, so the walk meets every slot once. */
  readonly skip: number;
}

const skipSeed = 0x6d61676c; // any other than that of the offset; it is part of which client goes where

export function permutationOf(id: string, size: number): Permutation {
  return { offset: hash32(id) % size, skip: (hash32(id, skipSeed) % (size - 1)) + 1 };
}

/** Fills a table by turns: each candidate takes the first free slot of its permutation. A lighter one sits turns out, but
 * never the first, so that everyone has a slot.
 * @param size a prime, 2..65536, no smaller than the number of candidates
 * @param weights one a permutation, above 0
 * @returns of every slot, the index of its candidate
 * @see Eisenbud et al., Maglev: A Fast and Reliable Software Network Load Balancer, NSDI 2016, §3.4 and pseudocode 1;
 * the sitting out is Envoy's (maglev_lb.cc) */
export function fillTable(size: number, permutations: readonly Permutation[], weights: readonly number[]): Uint16Array {
  assert(permutations.length <= size && permutations.length < free, "a Maglev table has a slot for every candidate");
  const table = new Uint16Array(size).fill(free);
  if (permutations.length === 0) return table;
  const slots = Int32Array.from(permutations, ({ offset }) => offset);
  const skips = Int32Array.from(permutations, ({ skip }) => skip);
  const weightMax = weights.reduce((max, weight) => Math.max(max, weight), 0);
  const shares = Float64Array.from(weights, (weight) => weight / weightMax);
  const credits = new Float64Array(shares.length).fill(1);
  for (let left = size; left > 0;) {
    for (let i = 0; i < shares.length && left > 0; i++) {
      const credit = credits[i] ?? 0;
      credits[i] = credit + (shares[i] ?? 0) - (credit >= 1 ? 1 : 0);
      if (credit < 1) continue;
      let slot = slots[i] ?? 0;
      const skip = skips[i] ?? 0;
      while (table[slot] !== free) slot = (slot + skip) % size;
      table[slot] = i;
      slots[i] = (slot + skip) % size;
      left--;
    }
  }
  return table;
}

const free = 0xffff;
