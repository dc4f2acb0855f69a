import type { GeoConfig } from "#shared/config/schema/common.ts";
import { formatCidr, maskAddress, parseCidr } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { openDatabase } from "./database.ts";
import type { DatabaseStatus, GeoDatabase } from "./database.ts";
import { Overrides } from "./overrides.ts";
import { nowhere, placeOf } from "./place.ts";
import type { Place } from "./place.ts";
import type { Walk } from "./walk.ts";

/** The place of an address, and how far it holds. */
export interface Located {
  readonly place: Place;
  /** Every address that shares this many leading bits is at the same place, by the same source. */
  readonly prefix: number;
  readonly source: "override" | "database" | "none";
  /** The network of the override or the database that says so. */
  readonly network: string | null;
}

/** Finds the place of a client. Immutable; a reload makes another. */
export interface Geo {
  placeOf(address: AddressBytes): Located;
  /** Every network of one family with its place: those of the database, then the overrides, the wider ones first. What
   * comes later wins over what it covers. */
  walk(what: Walk, visit: (bytes: AddressBytes, prefix: number, place: Place) => void): void;
  status(): DatabaseStatus & { readonly overrides: number };
}

/** Opens the database and sorts the overrides.
 * @throws {UsageError} naming the database file, if it is missing or corrupt */
export async function createGeo(config: GeoConfig): Promise<Geo> {
  return geoOf(await openDatabase(config.database), config.networks);
}

/** Puts overrides before a database. */
export function geoOf(database: GeoDatabase, networks: GeoConfig["networks"]): Geo {
  const overrides = new Overrides();
  const entries = Object.entries(networks).map(([network, known]) => {
    const cidr = parseCidr(network);
    assert(cidr, `${network} was validated with the config`);
    return { ...cidr, place: placeOf(known) };
  });
  for (const entry of entries) overrides.add(entry, entry.place);
  return {
    walk: (what, visit) => {
      database.walk(what, (bytes, prefix, place) => visit(bytes, prefix, place ?? nowhere));
      for (const { bytes, prefix, place } of entries.toSorted((a, b) => a.prefix - b.prefix))
        if (bytes.length === what.addressBytes) visit(bytes, prefix, place);
    },
    placeOf: (address) => locate(overrides, database, address),
    status: () => ({ ...database.status, overrides: entries.length }),
  };
}

function locate(overrides: Overrides, database: GeoDatabase, address: AddressBytes): Located {
  const { place, matchedPrefix, uniformPrefix } = overrides.find(address);
  if (place) return { place, prefix: uniformPrefix, source: "override", network: networkOf(address, matchedPrefix) };
  const found = database.find(address);
  // A network of the database may have overrides nested in it: the prefix must be long enough not to cover them.
  const prefix = Math.max(found.prefix, uniformPrefix);
  if (!found.place) return { place: nowhere, prefix, source: "none", network: null };
  return { place: found.place, prefix, source: "database", network: networkOf(address, found.prefix) };
}

function networkOf(address: AddressBytes, prefix: number): string {
  return formatCidr({ bytes: maskAddress(address, prefix), prefix });
}
