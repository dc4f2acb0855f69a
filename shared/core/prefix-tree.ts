import type { AddressBytes, Cidr } from "./cidr.ts";

const none = -1;

/** What a set of networks says about one address. */
export interface PrefixMatch<Value> {
  /** Of the longest network that holds the address. */
  readonly value: Value | undefined;
  /** Length of that network's prefix, or -1. */
  readonly matchedPrefix: number;
  /** Shortest prefix of the address inside which the networks say the same of every address: no other network of the
   * set, nested in the matched one, begins in there. */
  readonly uniformPrefix: number;
}

/** A binary tree of networks of one address family. Thousands of networks are at most some hundred thousand nodes. */
class Tree<Value> {
  readonly #children: number[] = [none, none]; // two a node, node 0 is the root
  readonly #values: (Value | undefined)[] = [undefined];

  add(cidr: Cidr, value: Value): void {
    let node = 0;
    for (let depth = 0; depth < cidr.prefix; depth++) {
      const slot = 2 * node + bitOf(cidr.bytes, depth);
      let child = this.#children[slot] ?? none;
      if (child === none) {
        child = this.#values.push(undefined) - 1;
        this.#children.push(none, none);
        this.#children[slot] = child;
      }
      node = child;
    }
    this.#values[node] = value;
  }

  find(address: AddressBytes): PrefixMatch<Value> {
    let node = 0;
    let value = this.#values[0];
    let matchedPrefix = value === undefined ? none : 0;
    let depth = 0;
    for (; depth < address.length * 8; depth++) {
      const bit = bitOf(address, depth);
      const child = this.#children[2 * node + bit] ?? none;
      if (child === none) {
        const sibling = this.#children[2 * node + 1 - bit] ?? none;
        return { value, matchedPrefix, uniformPrefix: sibling === none ? depth : depth + 1 };
      }
      node = child;
      if (this.#values[node] === undefined) continue;
      value = this.#values[node];
      matchedPrefix = depth + 1;
    }
    return { value, matchedPrefix, uniformPrefix: depth };
  }
}

/** Networks of both families, each with a value of its own; the longest prefix wins. */
export class PrefixTree<Value> {
  readonly #ipv4 = new Tree<Value>();
  readonly #ipv6 = new Tree<Value>();

  add(cidr: Cidr, value: Value): void {
    this.#treeOf(cidr.bytes).add(cidr, value);
  }

  find(address: AddressBytes): PrefixMatch<Value> {
    return this.#treeOf(address).find(address);
  }

  #treeOf(address: AddressBytes): Tree<Value> {
    return address.length === 4 ? this.#ipv4 : this.#ipv6;
  }
}

function bitOf(address: AddressBytes, index: number): number {
  return ((address[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
}
