import { assert } from "#shared/core/error.ts";

/** A slot of a tree: the index of a node, or a leaf with its value. */
export const leafBit = 0x4000_0000; // below 2^31: V8 keeps such numbers without an object, compiled or not
const nodesMax = 1 << 28; // what 1 GiB of slots holds; the largest city databases have some 10 million networks

/** A binary tree of prefixes under construction: what is set later wins over what it covers. */
export class TreeBuilder {
  /** Two slots a node: the child for bit 0 and the one for bit 1. */
  #slots = new Uint32Array(2 * 65_536);
  #nodes = 0;

  /** @param value of a whole tree of one leaf */
  leaf(value: number): number {
    return leafBit | value;
  }

  /** Sets every address of a network. @returns the tree with that set */
  set(tree: number, bytes: Uint8Array, prefix: number, value: number): number {
    const leaf = this.leaf(value);
    if (prefix === 0) return leaf;
    const root = this.#open(tree);
    let node = root;
    for (let depth = 0; ; depth++) {
      const slot = 2 * node + bitOf(bytes, depth);
      if (depth === prefix - 1) {
        this.#slots[slot] = leaf;
        return root;
      }
      // Two steps: opening a leaf may move the slots to a larger array.
      const child = this.#open(this.#slots[slot] ?? 0);
      this.#slots[slot] = child;
      node = child;
    }
  }

  /** Merges equal neighbours, so that every leaf is as wide as it can be, and drops what nothing points to.
   * @returns the trees in one array of slots */
  compact(trees: readonly number[]): { readonly slots: Uint32Array; readonly trees: readonly number[] } {
    const merged = trees.map((tree) => this.#merge(tree));
    const slots = new Uint32Array(2 * merged.reduce((sum, tree) => sum + this.#count(tree), 0));
    let nodes = 0;
    const copy = (slot: number): number => {
      if (slot >= leafBit) return slot;
      const node = nodes++;
      slots[2 * node] = copy(this.#slots[2 * slot] ?? 0);
      slots[2 * node + 1] = copy(this.#slots[2 * slot + 1] ?? 0);
      return node;
    };
    return { trees: merged.map(copy), slots };
  }

  /** A leaf becomes a node of two such leaves. */
  #open(slot: number): number {
    if (slot < leafBit) return slot;
    const node = this.#nodes++;
    assert(node < nodesMax, "a geo database of a plausible size");
    if (2 * node + 2 > this.#slots.length) {
      const larger = new Uint32Array(this.#slots.length * 2);
      larger.set(this.#slots);
      this.#slots = larger;
    }
    this.#slots[2 * node] = slot;
    this.#slots[2 * node + 1] = slot;
    return node;
  }

  /** As deep as an address has bits: recursion is bounded. */
  #merge(slot: number): number {
    if (slot >= leafBit) return slot;
    const zero = this.#merge(this.#slots[2 * slot] ?? 0);
    const one = this.#merge(this.#slots[2 * slot + 1] ?? 0);
    if (zero === one && zero >= leafBit) return zero;
    this.#slots[2 * slot] = zero;
    this.#slots[2 * slot + 1] = one;
    return slot;
  }

  #count(slot: number): number {
    if (slot >= leafBit) return 0;
    return 1 + this.#count(this.#slots[2 * slot] ?? 0) + this.#count(this.#slots[2 * slot + 1] ?? 0);
  }
}

function bitOf(bytes: Uint8Array, index: number): number {
  return ((bytes[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
}
