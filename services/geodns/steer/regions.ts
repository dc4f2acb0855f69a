import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { AddressBytes, Cidr } from "#shared/core/cidr.ts";
import type { Located } from "#shared/geo/geo.ts";
import type { Place } from "#shared/geo/place.ts";
import { compileRules } from "./rules.ts";
import type { CompiledRules, NetworkRule, RegionList } from "./rules.ts";
import { shiftOf } from "./shift.ts";
import type { Shift } from "./shift.ts";

/** Which regions serve a client, the best first, and why. Equal lists are one object, so that they can be compared by it. */
export interface Steering extends RegionList {
  /** What put another region first than the rule. */
  readonly shift: Shift | null;
}

export type SteeringRules = Pick<GeodnsConfig, "regions" | "steering">;

/** The regions of a client: those of the longest network that a rule names and that holds it, else those of its place. */
export function steerClient(
  { place, cidr, key }: Pick<Located, "place" | "cidr" | "key">,
  rules: SteeringRules,
): Steering {
  return networkRule(key, rules) ?? steer(place, cidr, rules);
}

/** The regions of a place, the first rule that matches: its autonomous system's, its country's, its continent's, the
 * default; then the first shift that takes the network. Knows nothing of health, nor of rules that name networks: those
 * stand before it. The same input always gives the same list.
 * @param network of the geo database or of an override, whole: a shift goes by its hash */
export function steer(place: Place, network: Cidr, rules: SteeringRules): Steering {
  const compiled = compiledOf(rules);
  const list = listOf(place, compiled);
  const shift = shiftOf(compiled.shifts, list.regions[0], place, network);
  return shift ? compiled.shifted(list, shift) : compiled.unshifted(list);
}

/** Every rule that names a network, the wider ones first: what comes later wins over what it covers. */
export function networkRulesOf(rules: SteeringRules): readonly NetworkRule[] {
  return compiledOf(rules).networks;
}

function networkRule(address: AddressBytes, rules: SteeringRules): Steering | undefined {
  const compiled = compiledOf(rules);
  const list = compiled.byNetwork.find(address).value;
  return list && compiled.unshifted(list);
}

function listOf(place: Place, compiled: CompiledRules): RegionList {
  const { asn, country, continent } = place;
  return (
    (asn === null ? undefined : compiled.asns.get(asn)) ??
    (country === null ? undefined : compiled.countries.get(country)) ??
    (continent === null ? undefined : compiled.continents.get(continent)) ??
    compiled.otherwise(place)
  );
}

interface Known {
  readonly regions: SteeringRules["regions"];
  readonly rules: CompiledRules;
}

/** A config is compiled once, when it is first asked; it is immutable, so this shows nowhere. */
const compiledByConfig = new WeakMap<SteeringRules["steering"], Known>();

function compiledOf({ regions, steering }: SteeringRules): CompiledRules {
  const known = compiledByConfig.get(steering);
  if (known?.regions === regions) return known.rules;
  const rules = compileRules(regions, steering);
  compiledByConfig.set(steering, { regions, rules });
  return rules;
}
