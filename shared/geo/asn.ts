import type { AddressBytes } from "#shared/core/cidr.ts";
import type { GeoDatabase } from "./database.ts";
import { nowhere } from "./place.ts";
import type { Place } from "./place.ts";

/** One database for the place and another for the autonomous system, as one: its networks are those of both, cut where
 * either changes. */
export function withAsn(places: GeoDatabase, systems: GeoDatabase): GeoDatabase {
  const merge = placesWithAsn();
  const find = (address: AddressBytes) => {
    const [found, system] = [places.find(address), systems.find(address)];
    return { place: merge(found.place, system.place), prefix: Math.max(found.prefix, system.prefix) };
  };
  return {
    find,
    walk(what, visit) {
      // The narrower network of the two decides; where they are the same, it is visited once.
      places.walk(what, (bytes, prefix, place) => {
        const system = systems.find(bytes);
        if (system.prefix <= prefix) visit(bytes, prefix, merge(place, system.place));
      });
      systems.walk(what, (bytes, prefix, system) => {
        const found = places.find(bytes);
        if (found.prefix < prefix) visit(bytes, prefix, merge(found.place, system));
      });
    },
    status: places.status,
  };
}

/** Puts an ASN to a place. Equal pairs become one object, so that each is steered once. */
function placesWithAsn(): (place: Place | undefined, system: Place | undefined) => Place | undefined {
  const merged = new WeakMap<Place, Map<number, Place>>();
  return (place, system) => {
    const asn = system?.asn ?? null;
    if (asn === null) return place;
    const base = place ?? nowhere;
    let byAsn = merged.get(base);
    if (!byAsn) merged.set(base, (byAsn = new Map<number, Place>()));
    let both = byAsn.get(asn);
    if (!both) byAsn.set(asn, (both = { ...base, asn }));
    return both;
  };
}
