import type { continents } from "#shared/config/schema/common.ts";
import { countries } from "./countries.ts";

export type Continent = (typeof continents)[number];

export const continentNames: readonly Continent[] = ["AF", "AN", "AS", "EU", "NA", "OC", "SA"];

/** Where a client is, as far as anybody knows. */
export interface Place {
  /** ISO 3166 alpha-2. */
  readonly country: string | null;
  readonly continent: Continent | null;
  /** Latitude and longitude in degrees; of the country's centre where nothing better is known. */
  readonly location: readonly [latitude: number, longitude: number] | null;
  readonly asn: number | null;
}

export const nowhere: Place = { country: null, continent: null, location: null, asn: null };

/** A place of what is known; continent and location of a known country are filled in. */
export function placeOf(known: {
  readonly country?: string | undefined;
  readonly continent?: Continent | undefined;
  readonly location?: readonly [number, number] | undefined;
  readonly asn?: number | undefined;
}): Place {
  const country = known.country === undefined ? undefined : countries[known.country];
  return {
    country: known.country ?? null,
    continent: known.continent ?? country?.[0] ?? null,
    location: known.location ?? (country ? [country[1], country[2]] : null),
    asn: known.asn ?? null,
  };
}
