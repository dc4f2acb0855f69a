import type { Cidr } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { Place } from "#shared/geo/place.ts";
import { networkRulesOf, steer } from "../steer/regions.ts";
import type { SteeringRules } from "../steer/regions.ts";
import type { NetworkRule } from "../steer/rules.ts";
import { TreeBuilder } from "./build.ts";
import { embeddings, valuesMax } from "./tree.ts";
import type { TreeParts } from "./tree.ts";

/** The geo database, its overrides and the steering rules in one: for every address the list of its regions. */
export interface CompiledGeo extends TreeParts {
  /** Region names in order, by the value of a leaf. */
  readonly lists: readonly (readonly string[])[];
  /** Networks that were looked at before equal neighbours were merged. */
  readonly networks: number;
}

/** What the tree has to know of steering. */
export interface TreeRules {
  /** Regions of a client of this place, the best first. Called once for each network of the geo database. */
  readonly steer: (place: Place, network: Cidr) => readonly string[];
  /** Networks that have regions of their own, the wider ones first. */
  readonly networks: readonly NetworkRule[];
}

/** The steering rules of a config, for the tree. */
export function steerRules(rules: SteeringRules): TreeRules {
  return { steer: (place, network) => steer(place, network, rules).regions, networks: networkRulesOf(rules) };
}

/** Walks the networks of both families, some hundred thousand a second. */
export function compileGeo(geo: Pick<Geo, "walk">, rules: TreeRules): CompiledGeo {
  const builder = new TreeBuilder();
  const lists = new ListNumbers();
  let networks = 0;
  const build = (addressBytes: 4 | 16): number => {
    let tree = builder.leaf(0);
    const skip = addressBytes === 16 ? isEmbedding : () => false;
    geo.walk({ addressBytes, skip }, (bytes, prefix, place) => {
      networks++;
      tree = builder.set(tree, bytes, prefix, lists.numberOf(rules.steer(place, { bytes, prefix })));
    });
    for (const { cidr, regions } of rules.networks)
      if (cidr.bytes.length === addressBytes)
        tree = builder.set(tree, cidr.bytes, cidr.prefix, lists.numberOf(regions));
    return tree;
  };
  const ipv4Tree = build(4);
  let ipv6Tree = build(16);
  // Last: a network may be wider than one of them, and what it says within them does not count.
  for (const [i, { prefix }] of embeddings.entries())
    ipv6Tree = builder.set(ipv6Tree, Uint8Array.from(prefix), 8 * prefix.length, valuesMax + i);
  const { slots, trees } = builder.compact([ipv4Tree, ipv6Tree]);
  const [ipv4 = 0, ipv6 = 0] = trees;
  return { slots, ipv4, ipv6, lists: lists.all, networks };
}

const embeddingPrefixes = new Set(embeddings.map(({ prefix }) => 8 * prefix.length));

function isEmbedding(address: Uint8Array, prefix: number): boolean {
  if (!embeddingPrefixes.has(prefix)) return false;
  return embeddings.some(
    (one) => 8 * one.prefix.length === prefix && one.prefix.every((byte, i) => address[i] === byte),
  );
}

/** Numbers lists of regions as they come. */
class ListNumbers {
  readonly all: (readonly string[])[] = [];
  readonly #numbers = new Map<string, number>();
  /** Most lists are the very array of the config. */
  readonly #known = new WeakMap<readonly string[], number>();

  numberOf(list: readonly string[]): number {
    const known = this.#known.get(list);
    if (known !== undefined) return known;
    const key = list.join("\n");
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.all.push(list) - 1;
      assert(number < valuesMax, "fewer orders of regions than leaves can name");
      this.#numbers.set(key, number);
    }
    this.#known.set(list, number);
    return number;
  }
}
