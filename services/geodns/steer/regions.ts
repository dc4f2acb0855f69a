import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Place } from "#shared/geo/place.ts";

/** Which regions serve a client, the best first, and why. */
export interface Steering {
  readonly regions: readonly string[];
  /** The rule that matched, for people. */
  readonly rule: string;
}

export type SteeringRules = Pick<GeodnsConfig, "regions" | "steering">;

const earthRadiusKm = 6_371;

/** The first that matches: the country's list, the continent's list, the default. Knows nothing of health. */
export function steer(place: Place, { regions, steering }: SteeringRules): Steering {
  const byCountry = place.country === null ? undefined : steering.countries[place.country];
  if (byCountry) return { regions: byCountry, rule: `country ${place.country}` };
  const byContinent = place.continent === null ? undefined : steering.continents[place.continent];
  if (byContinent) return { regions: byContinent, rule: `continent ${place.continent}` };
  if (steering.default !== "nearest") return { regions: steering.default, rule: "default list" };
  const names = Object.keys(regions);
  if (!place.location) return { regions: names, rule: "nearest: place unknown, regions in the order of the config" };
  return nearest(place.location, regions);
}

function nearest(from: readonly [number, number], regions: SteeringRules["regions"]): Steering {
  const sorted = Object.entries(regions)
    .map(([name, { location }]) => ({ name, km: distanceKm(from, location) }))
    .sort((a, b) => a.km - b.km);
  const kilometres = sorted.map(({ name, km }) => `${name} ${Math.round(km)} km`).join(", ");
  return { regions: sorted.map(({ name }) => name), rule: `nearest: ${kilometres}` };
}

/** Along the surface, by the haversine formula. */
export function distanceKm(a: readonly [number, number], b: readonly [number, number]): number {
  const radians = (degrees: number) => (degrees * Math.PI) / 180;
  const halfLatitude = Math.sin(radians(b[0] - a[0]) / 2);
  const halfLongitude = Math.sin(radians(b[1] - a[1]) / 2);
  const h = halfLatitude ** 2 + Math.cos(radians(a[0])) * Math.cos(radians(b[0])) * halfLongitude ** 2;
  return 2 * earthRadiusKm * Math.asin(Math.min(1, Math.sqrt(h)));
}
