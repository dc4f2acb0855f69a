import { formatPath } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
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

/** As the errors of a config are told; what stands in the config itself is known by its path only. */
export function toProblem({ place, message }: Finding): Problem {
  if ("path" in place) return { file: formatPath(place.path), path: "", message };
  return { ...place, path: "", message };
}

/** `stream.zone:12:1`, `dnsZones["stream.test"].records.www` */
export function formatPlace(place: Place): string {
  return "path" in place ? formatPath(place.path) : `${place.file}:${place.line}:${place.column}`;
}
