import { embeddingForms } from "#shared/core/embedded-ipv4.ts";
import { leafBit } from "./build.ts";

/** What a lookup finds, in one integer, so that nothing is allocated. */
export type Found = number;
const depthBits = 8; // a depth is at most 128
export const valueOf = (found: Found): number => found >>> depthBits;
/** Leading bits of the address that every address with the same answer shares: the scope of a client subnet. */
export const depthOf = (found: Found): number => found & 0xff;

/** Ranges of IPv6 that hold an IPv4 address, which is looked up in their place. The leaf's value says which. */
export interface Embedding {
  readonly prefix: readonly number[];
  /** Bytes before the IPv4 address. */
  readonly offset: number;
  /** Its bits are turned over (Teredo). */
  readonly mask: number;
}
export const embeddings: readonly Embedding[] = embeddingForms.map(({ network, offset, mask }) => ({
  prefix: [...network.bytes.subarray(0, network.prefix >> 3)],
  offset: offset >> 3,
  mask,
}));
/** Leaves of these values and above stand for an embedding. */
export const valuesMax = 1 << 22;

const jumpBits = 16;

/** The parts of a tree, as they pass from thread to thread. */
export interface TreeParts {
  readonly slots: Uint32Array;
  readonly ipv4: number;
  readonly ipv6: number;
}

/** Disjoint prefixes of IPv4 and IPv6, each with a value: walked without an object or a closure. */
export class PrefixTree {
  readonly #slots: Uint32Array;
  readonly #ipv6: number;
  /** For the first 16 bits of an IPv4 address: the slot that they lead to, and how deep it stands. */
  readonly #jumpSlots = new Uint32Array(1 << jumpBits);
  readonly #jumpDepths = new Uint8Array(1 << jumpBits);

  constructor({ slots, ipv4, ipv6 }: TreeParts) {
    this.#slots = slots;
    this.#ipv6 = ipv6;
    this.#fillJumps(ipv4, 0, 0);
  }

  get nodes(): number {
    return this.#slots.length / 2;
  }

  /** @param address 4 or 16 bytes */
  find(address: Uint8Array): Found {
    return address.length === 4 ? this.findIpv4(address, 0) : this.findIpv6(address, 0);
  }

  /** @param offset where the four bytes of the address begin */
  findIpv4(bytes: Uint8Array, offset: number): Found {
    return this.#findIpv4(bytes, offset, 0);
  }

  /** @param offset where the sixteen bytes of the address begin */
  findIpv6(bytes: Uint8Array, offset: number): Found {
    let slot = this.#ipv6;
    let depth = 0;
    while (slot < leafBit) {
      const byte = bytes[offset + (depth >> 3)] ?? 0;
      slot = this.#slots[2 * slot + ((byte >> (7 - (depth & 7))) & 1)] ?? 0;
      depth++;
    }
    const value = slot - leafBit;
    if (value < valuesMax) return (value << depthBits) | depth;
    return this.#findEmbedded(bytes, offset, value - valuesMax, depth);
  }

  #findIpv4(bytes: Uint8Array, offset: number, mask: number): Found {
    const first = (((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0)) ^ ((mask << 8) | mask);
    let slot = this.#jumpSlots[first] ?? 0;
    let depth = this.#jumpDepths[first] ?? 0;
    while (slot < leafBit) {
      const byte = (bytes[offset + (depth >> 3)] ?? 0) ^ mask;
      slot = this.#slots[2 * slot + ((byte >> (7 - (depth & 7))) & 1)] ?? 0;
      depth++;
    }
    return ((slot - leafBit) << depthBits) | depth;
  }

  #findEmbedded(bytes: Uint8Array, offset: number, index: number, leafDepth: number): Found {
    const embedding = embeddings[index];
    if (!embedding) return 0;
    const found = this.#findIpv4(bytes, offset + embedding.offset, embedding.mask);
    const depth = 8 * embedding.offset + depthOf(found);
    return (valueOf(found) << depthBits) | Math.max(leafDepth, depth);
  }

  #fillJumps(slot: number, depth: number, first: number): void {
    if (slot >= leafBit || depth === jumpBits) {
      const end = first + (1 << (jumpBits - depth));
      this.#jumpSlots.fill(slot, first, end);
      this.#jumpDepths.fill(depth, first, end);
      return;
    }
    this.#fillJumps(this.#slots[2 * slot] ?? 0, depth + 1, first);
    this.#fillJumps(this.#slots[2 * slot + 1] ?? 0, depth + 1, first + (1 << (jumpBits - depth - 1)));
  }
}
