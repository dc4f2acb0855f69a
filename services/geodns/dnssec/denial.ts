import { typeName, types as known } from "../wire/codes.ts";
import { formatName, parentOf } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { nameBytes } from "./canonical.ts";
import type { RecordSet } from "../wire/body.ts";

/** Compact denial of existence: one NSEC that says of the asked name alone what stands there. @see RFC 9824 */

const nameBytesMax = 255; // RFC 1035 §3.1, with the root label
const labelBytesMax = 63; // RFC 1035 §3.1

/** What is said of a name. */
export type DenialKind =
  /** There is no such name. */
  | "nxname"
  /** It exists, but for the type that is asked. An empty non-terminal has no types at all. */
  | "nodata"
  /** It is delegated, without a DS. */
  | "delegation";

/** The NSEC of a name.
 * @param types those that stand there, without NSEC and RRSIG
 * @param ttl seconds: min(SOA TTL, SOA minimum) (RFC 9077 §3) */
export function nsecSet(owner: Name, apex: Name, types: Iterable<number>, kind: DenialKind, ttl: number): RecordSet {
  // The next name of a delegation must lie behind all that is below it, or it would deny a part of the child.
  const next = kind === "delegation" ? successorBeside(owner, apex) : successorBelow(owner, apex);
  const present = new Set([...(kind === "nxname" ? [known.NXNAME] : types), known.RRSIG, known.NSEC]);
  const sorted = [...present].sort((a, b) => a - b);
  return {
    type: known.NSEC,
    ttl,
    data: [Buffer.concat([nameBytes(next), typeBitmap(sorted)])],
    texts: [[formatName(next), ...sorted.map(typeName)].join(" ")],
  };
}

/** The types of an NSEC as bits, in windows of 256. @see RFC 4034 §4.1.2 */
export function typeBitmap(types: readonly number[]): Buffer {
  const windows = new Map<number, Buffer>();
  for (const type of types) {
    const bits = windows.get(type >> 8) ?? Buffer.alloc(32);
    windows.set(type >> 8, bits);
    const at = (type & 0xff) >> 3;
    bits[at] = (bits[at] ?? 0) | (0x80 >> (type & 7));
  }
  const blocks = [...windows]
    .sort(([a], [b]) => a - b)
    .map(([window, bits]) => {
      const length = bits.findLastIndex((byte) => byte !== 0) + 1;
      return Buffer.concat([Buffer.of(window, length), bits.subarray(0, length)]);
    });
  return Buffer.concat(blocks);
}

/** The name right behind this one: nothing can stand between them. @see RFC 4471 §3.1.2 */
export function successorBelow(name: Name, apex: Name): Name {
  // Where two bytes more do not fit, nothing can be below the name either.
  return name.length + 2 < nameBytesMax ? `\x01\0${name}` : successorBeside(name, apex);
}

/** The name right behind this one and all below it. After the last name of a dnsZone comes its apex (RFC 4034 §4.1.1).
 * @see RFC 4471 §3.1.2, RFC 9824 §3.4 */
export function successorBeside(name: Name, apex: Name): Name {
  if (name === apex) return apex;
  const label = name.slice(1, 1 + name.charCodeAt(0));
  const parent = parentOf(name);
  if (label.length < labelBytesMax && name.length + 1 < nameBytesMax) return withLabel(`${label}\0`, parent);
  const kept = label.replace(/\xff+$/, "");
  if (kept === "") return successorBeside(parent, apex);
  return withLabel(kept.slice(0, -1) + String.fromCharCode(byteAfter(kept.charCodeAt(kept.length - 1))), parent);
}

function withLabel(label: string, parent: Name): Name {
  return String.fromCharCode(label.length) + label + parent;
}

/** Upper case is the same as lower case, which stands behind it: it is left out. */
function byteAfter(byte: number): number {
  return byte === 0x40 ? 0x5b : byte + 1;
}
