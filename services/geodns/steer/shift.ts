import type { ShiftConfig } from "#shared/config/schema/steering.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Place } from "#shared/geo/place.ts";

/** A share of the clients of one region that goes to another. */
export interface Shift {
  readonly from: string;
  readonly to: string;
  readonly percent: number;
}

export interface CompiledShift extends Shift {
  /** Of the hashes of 32 bits: those below it move. */
  readonly hashesBelow: number;
  /** Another for every pair of regions, so that two shifts do not take the same networks. */
  readonly seed: number;
  readonly countries: ReadonlySet<string> | undefined;
  readonly continents: ReadonlySet<string> | undefined;
}

export function compileShifts(shifts: readonly ShiftConfig[]): CompiledShift[] {
  return shifts.map(({ from, to, percent, countries, continents }) => ({
    from,
    to,
    percent,
    hashesBelow: (percent / 100) * 2 ** 32,
    seed: hash32(`${from} ${to}`),
    countries: countries && new Set(countries),
    continents: continents && new Set<string>(continents),
  }));
}

/** The first shift that takes a network. The hash of a network stays: while the percentage grows those moved before stay
 * moved, and while it falls those that come back are the last that went. */
export function shiftOf(
  shifts: readonly CompiledShift[],
  first: string | undefined,
  { country, continent }: Place,
  network: Cidr,
): CompiledShift | undefined {
  return shifts.find(
    (shift) =>
      shift.from === first &&
      (!shift.countries || (country !== null && shift.countries.has(country))) &&
      (!shift.continents || (continent !== null && shift.continents.has(continent))) &&
      hashOf(network, shift.seed) < shift.hashesBelow,
  );
}

export function describeShift({ from, to, percent }: Shift): string {
  return `${percent} % of ${from} shifted to ${to}`;
}

/** FNV-1a over the bytes and the prefix, then the finaliser of MurmurHash3: neighbours get hashes far apart. */
function hashOf({ bytes, prefix }: Cidr, seed: number): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ prefix, 0x01000193);
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
