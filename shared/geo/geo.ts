import type { GeoConfig } from "#shared/config/schema/common.ts";
import { formatCidr, maskAddress, parseCidr } from "#shared/core/cidr.ts";
import type { AddressBytes, Cidr } from "#shared/core/cidr.ts";
import { embeddedIpv4, plainPrefix } from "#shared/core/embedded-ipv4.ts";
import type { EmbeddedIpv4 } from "#shared/core/embedded-ipv4.ts";
import { assert } from "#shared/core/error.ts";
import { PrefixTree } from "#shared/core/prefix-tree.ts";
import { withAsn } from "./asn.ts";
import { openDatabase } from "./database.ts";
import type { DatabaseStatus, GeoDatabase } from "./database.ts";
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
  /** The same; where the database knows nothing, the network of which it knows nothing. `walk` visits it whole. */
  readonly cidr: Cidr;
  /** What was looked up: the address itself, or the IPv4 address that it carries. */
  readonly key: AddressBytes;
  /** Why another address was looked up. */
  readonly embedded: EmbeddedIpv4["kind"] | null;
}

/** Finds the place of a client. Immutable; a reload makes another. */
export interface Geo {
  placeOf(address: AddressBytes): Located;
  /** Every network of one family with its place: those of the database, then the overrides, the wider ones first. What
   * comes later wins over what it covers. */
  walk(what: Walk, visit: (bytes: AddressBytes, prefix: number, place: Place) => void): void;
  status(): GeoStatus;
}

export interface GeoStatus extends DatabaseStatus {
  readonly overrides: number;
  readonly asnDatabase: DatabaseStatus | null;
}

/** Opens the databases and sorts the overrides.
 * @throws {DatabaseError} naming the file, if it is missing or corrupt */
export async function createGeo(config: GeoConfig): Promise<Geo> {
  const database = await openDatabase(config.database);
  if (config.asnDatabase === undefined) return geoOf(database, config.networks);
  return geoOf(database, config.networks, await openDatabase(config.asnDatabase, "asnDatabase"));
}

/** Puts overrides before a database.
 * @param asnDatabase tells the autonomous system */
export function geoOf(database: GeoDatabase, networks: GeoConfig["networks"], asnDatabase?: GeoDatabase): Geo {
  const overrides = new PrefixTree<Place>();
  const entries = Object.entries(networks).map(([network, known]) => {
    const cidr = parseCidr(network);
    assert(cidr, `${network} was validated with the config`);
    return { ...cidr, place: placeOf(known) };
  });
  for (const entry of entries) overrides.add(entry, entry.place);
  const whole = asnDatabase ? withAsn(database, asnDatabase) : database;
  return {
    walk: (what, visit) => {
      whole.walk(what, (bytes, prefix, place) => visit(bytes, prefix, place ?? nowhere));
      for (const { bytes, prefix, place } of entries.toSorted((a, b) => a.prefix - b.prefix))
        if (bytes.length === what.addressBytes) visit(bytes, prefix, place);
    },
    placeOf: (address) => locate(overrides, whole, address),
    status: () => ({ ...database.status, overrides: entries.length, asnDatabase: asnDatabase?.status ?? null }),
  };
}

function locate(overrides: PrefixTree<Place>, database: GeoDatabase, address: AddressBytes): Located {
  const embedded = embeddedIpv4(address);
  const key = embedded?.address ?? address;
  const found = find(overrides, database, key);
  // A wide network of IPv6 may hold addresses that are looked up in another way.
  const prefix = embedded ? embedded.offset + found.prefix : Math.max(found.prefix, plainPrefix(address));
  return { ...found, prefix, key, embedded: embedded?.kind ?? null };
}

function find(
  overrides: PrefixTree<Place>,
  database: GeoDatabase,
  key: AddressBytes,
): Pick<Located, "place" | "prefix" | "source" | "network" | "cidr"> {
  const { value: place, matchedPrefix, uniformPrefix } = overrides.find(key);
  if (place) {
    const cidr = networkAround(key, matchedPrefix);
    return { place, prefix: uniformPrefix, source: "override", network: formatCidr(cidr), cidr };
  }
  const found = database.find(key);
  const cidr = networkAround(key, found.prefix);
  // A network of the database may have overrides nested in it: the prefix must be long enough not to cover them.
  const prefix = Math.max(found.prefix, uniformPrefix);
  if (!found.place) return { place: nowhere, prefix, source: "none", network: null, cidr };
  return { place: found.place, prefix, source: "database", network: formatCidr(cidr), cidr };
}

function networkAround(address: AddressBytes, prefix: number): Cidr {
  return { bytes: maskAddress(address, prefix), prefix };
}
