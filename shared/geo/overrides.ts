import type { AddressBytes, Cidr } from "#shared/core/cidr.ts";
import type { Place } from "./place.ts";

const none = -1;

/** What the overrides say about one address. */
export interface OverrideMatch {
  /** Of the longest network that holds the address. */
  readonly place: Place | undefined;
  /** Length of that network's prefix, or -1. */
  readonly matchedPrefix: number;
  /** Shortest prefix of the address inside which the overrides say the same of every address: no other network of the
   * list, nested in the matched one, begins in there. */
  readonly uniformPrefix: number;
}

/** A binary tree of networks of one address family. Thousands of networks are at most some hundred thousand nodes. */
class Tree {
  readonly #children: number[] = [none, none]; // two a node, node 0 is the root
  readonly #places: (Place | undefined)[] = [undefined];

  add(cidr: Cidr, place: Place): void {
    let node = 0;
    for (let depth = 0; depth < cidr.prefix; depth++) {
      const slot = 2 * node + bitOf(cidr.bytes, depth);
      let child = this.#children[slot] ?? none;
      if (child === none) {
        child = this.#places.push(undefined) - 1;
        this.#children.push(none, none);
        this.#children[slot] = child;
      }
      node = child;
    }
    this.#places[node] = place;
  }

  find(address: AddressBytes): OverrideMatch {
    let node = 0;
    let place = this.#places[0];
    let matchedPrefix = place ? 0 : none;
    let depth = 0;
    for (; depth < address.length * 8; depth++) {
      const bit = bitOf(address, depth);
      const child = this.#children[2 * node + bit] ?? none;
      if (child === none) {
        const sibling = this.#children[2 * node + 1 - bit] ?? none;
        return { place, matchedPrefix, uniformPrefix: sibling === none ? depth : depth + 1 };
      }
      node = child;
      if (!this.#places[node]) continue;
      place = this.#places[node];
      matchedPrefix = depth + 1;
    }
    return { place, matchedPrefix, uniformPrefix: depth };
  }
}

/** Networks with a place of their own; the longest prefix wins. */
export class Overrides {
  readonly #ipv4 = new Tree();
  readonly #ipv6 = new Tree();

  add(cidr: Cidr, place: Place): void {
    this.#treeOf(cidr.bytes).add(cidr, place);
  }

  find(address: AddressBytes): OverrideMatch {
    return this.#treeOf(address).find(address);
  }

  #treeOf(address: AddressBytes): Tree {
    return address.length === 4 ? this.#ipv4 : this.#ipv6;
  }
}

function bitOf(address: AddressBytes, index: number): number {
  return ((address[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
}
