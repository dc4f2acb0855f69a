import { formatPlace as formatPlaceIn, naming } from "#shared/config/error.ts";
import type { Place as PlaceIn, Problem } from "#shared/config/error.ts";
import { locateByPath } from "#shared/config/origin.ts";
import type { Locate } from "#shared/config/origin.ts";
import type { Name } from "../wire/name.ts";
import type { Steered } from "./zone.ts";

/** Where a record stands: in a file, counted from 1, or in the config. */
export type Place =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly path: readonly PropertyKey[] };

/** One record as it was read, before what stands around it is looked at. */
export interface ZoneRecord {
  readonly owner: Name;
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  /** Uncompressed RDATA. */
  readonly data: Uint8Array;
  readonly place: Place;
}

/** A name whose addresses are steered. */
export interface SteeredName {
  readonly owner: Name;
  readonly steered: Steered;
  readonly place: Place;
}

/** What is wrong with a dnsZone, or what probably is. */
export interface Finding {
  readonly place: Place;
  readonly message: string;
}

/** As the errors of a config are told.
 * @param file the key that names the zone file, if there is one */
export function toProblem({ place, message }: Finding, locate: Locate, file?: readonly PropertyKey[]): Problem {
  const namedBy = "path" in place || !file ? undefined : locate(file);
  return { ...placeIn(place, locate), message, ...naming(namedBy) };
}

/** `stream.zone:12:1`, `geodns.yaml:30:11 dnsZones["stream.test"].records.www` */
export function formatPlace(place: Place, locate: Locate = locateByPath): string {
  return formatPlaceIn(placeIn(place, locate));
}

function placeIn(place: Place, locate: Locate): PlaceIn {
  return "path" in place ? locate(place.path) : { ...place, path: "" };
}
