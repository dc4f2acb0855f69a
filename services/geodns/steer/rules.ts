import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { parseCidr } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { PrefixTree } from "#shared/core/prefix-tree.ts";
import type { Place } from "#shared/geo/place.ts";
import { distanceKm } from "./distance.ts";
import type { Steering } from "./regions.ts";
import { compileShifts, describeShift } from "./shift.ts";
import type { CompiledShift } from "./shift.ts";

type Regions = GeodnsConfig["regions"];

/** Regions in order, and the rule that says so, for people. */
export interface RegionList {
  readonly regions: readonly string[];
  readonly rule: string;
}

/** A network whose clients have regions of their own, wherever they are. */
export interface NetworkRule extends RegionList {
  readonly cidr: Cidr;
}

/** The rules of a config, ready to be asked for hundreds of thousands of networks. */
export interface CompiledRules {
  readonly byNetwork: PrefixTree<RegionList>;
  /** The same, the wider ones first. */
  readonly networks: readonly NetworkRule[];
  readonly asns: ReadonlyMap<number, RegionList>;
  readonly countries: ReadonlyMap<string, RegionList>;
  readonly continents: ReadonlyMap<string, RegionList>;
  readonly shifts: readonly CompiledShift[];
  /** What the default says of a place. */
  otherwise(place: Place): RegionList;
  unshifted(list: RegionList): Steering;
  shifted(list: RegionList, shift: CompiledShift): Steering;
}

export function compileRules(regions: Regions, steering: GeodnsConfig["steering"]): CompiledRules {
  const lists = <Key>(
    rules: Readonly<Record<string, readonly string[] | undefined>>,
    what: string,
    key: (text: string) => Key,
  ) =>
    new Map(
      Object.entries(rules).map(([text, list = []]): [Key, RegionList] => [
        key(text),
        { regions: list, rule: `${what} ${text}` },
      ]),
    );
  const networks = compileNetworks(steering.networks);
  const asText = (text: string) => text;
  const unshifted = new WeakMap<RegionList, Steering>();
  const shifted = new WeakMap<RegionList, Map<CompiledShift, Steering>>();
  return {
    byNetwork: treeOf(networks),
    networks,
    asns: lists(steering.asns, "ASN", Number),
    countries: lists(steering.countries, "country", asText),
    continents: lists(steering.continents, "continent", asText),
    shifts: compileShifts(steering.shift),
    otherwise: compileDefault(regions, steering.default),
    unshifted: (list) => known(unshifted, list, () => ({ ...list, shift: null })),
    shifted(list, shift) {
      const byShift = known(shifted, list, () => new Map<CompiledShift, Steering>());
      return known(byShift, shift, () => ({
        regions: [shift.to, ...list.regions.filter((name) => name !== shift.to)],
        rule: `${list.rule}, ${describeShift(shift)}`,
        shift,
      }));
    },
  };
}

function compileNetworks(networks: GeodnsConfig["steering"]["networks"]): NetworkRule[] {
  const rules = Object.entries(networks).map(([text, regions]) => {
    const cidr = parseCidr(text);
    assert(cidr, `${text} was validated with the config`);
    return { cidr, regions, rule: `network ${text}` };
  });
  return rules.sort((a, b) => a.cidr.prefix - b.cidr.prefix);
}

function treeOf(rules: readonly NetworkRule[]): PrefixTree<RegionList> {
  const tree = new PrefixTree<RegionList>();
  for (const { cidr, regions, rule } of rules) tree.add(cidr, { regions, rule });
  return tree;
}

function compileDefault(
  regions: Regions,
  byDefault: GeodnsConfig["steering"]["default"],
): (place: Place) => RegionList {
  if (byDefault !== "nearest") {
    const list = { regions: byDefault, rule: "default list" };
    return () => list;
  }
  const inOrder = { regions: Object.keys(regions), rule: "nearest: place unknown, regions in the order of the config" };
  // A database has few places for its many networks, and gives the same object for the same place.
  const nearestTo = new WeakMap<NonNullable<Place["location"]>, RegionList>();
  return ({ location }) => (location ? known(nearestTo, location, () => nearest(location, regions)) : inOrder);
}

/** By distance, divided by capacity: a region with twice the capacity reaches twice as far. */
function nearest(from: NonNullable<Place["location"]>, regions: Regions): RegionList {
  const sorted = Object.entries(regions)
    .map(([name, { location, capacity }]) => ({ name, capacity, km: distanceKm(from, location) }))
    .sort((a, b) => a.km / a.capacity - b.km / b.capacity);
  const kilometres = sorted.map(({ name, km, capacity }) => {
    const divided = capacity === 1 ? "" : ` ÷ ${capacity}`;
    return `${name} ${Math.round(km)} km${divided}`;
  });
  return { regions: sorted.map(({ name }) => name), rule: `nearest: ${kilometres.join(", ")}` };
}

interface Memo<Key, Value> {
  get(key: Key): Value | undefined;
  set(key: Key, value: Value): unknown;
}

function known<Key, Value>(memo: Memo<Key, Value>, key: Key, make: () => Value): Value {
  const found = memo.get(key);
  if (found !== undefined) return found;
  const made = make();
  memo.set(key, made);
  return made;
}
