import type { Name } from "../wire/name.ts";

/** Where names stand in RDATA: bytes before them, or a character string of its own length. */
type Layout = readonly (number | "name" | "string")[];

/** Types whose names are lowered before signing. NSEC is not one of them (RFC 6840 §5.1), nor is any newer type
 * (RFC 3597 §7). @see RFC 4034 §6.2 */
const layouts: ReadonlyMap<number, Layout> = new Map<number, Layout>([
  [2, ["name"]], // NS
  [3, ["name"]], // MD
  [4, ["name"]], // MF
  [5, ["name"]], // CNAME
  [6, ["name", "name"]], // SOA
  [7, ["name"]], // MB
  [8, ["name"]], // MG
  [9, ["name"]], // MR
  [12, ["name"]], // PTR
  [14, ["name", "name"]], // MINFO
  [15, [2, "name"]], // MX
  [17, ["name", "name"]], // RP
  [18, [2, "name"]], // AFSDB
  [21, [2, "name"]], // RT
  [26, [2, "name", "name"]], // PX
  [33, [6, "name"]], // SRV
  [35, [4, "string", "string", "string", "name"]], // NAPTR
  [36, [2, "name"]], // KX
  [39, ["name"]], // DNAME
]);

/** A name in wire form, with the root label. It is lowered already. */
export function nameBytes(name: Name): Buffer {
  return Buffer.from(`${name}\0`, "latin1");
}

/** Labels of a name, without the root and without a leading "*". @see RFC 4034 §3.1.3 */
export function labelCount(name: Name): number {
  let count = name.startsWith("\x01*") ? -1 : 0;
  for (let at = 0; at < name.length; at += 1 + name.charCodeAt(at)) count++;
  return count;
}

/** RDATA with the names in it lowered, where the type asks for that; cut RDATA comes back as it is.
 * @param data uncompressed */
export function canonicalData(type: number, data: Uint8Array): Uint8Array {
  const layout = layouts.get(type);
  if (!layout) return data;
  const lowered = Uint8Array.from(data);
  let at = 0;
  for (const part of layout) {
    if (part === "name") at = lowerNameAt(lowered, at);
    else if (part === "string") at += 1 + (lowered[at] ?? 0);
    else at += part;
  }
  return lowered;
}

/** @returns the offset after the name */
function lowerNameAt(data: Uint8Array, offset: number): number {
  let at = offset;
  while (at < data.length) {
    const length = data[at] ?? 0;
    if (length === 0) return at + 1;
    const end = Math.min(at + 1 + length, data.length);
    for (let i = at + 1; i < end; i++) {
      const byte = data[i] ?? 0;
      if (byte >= 0x41 && byte <= 0x5a) data[i] = byte + 0x20;
    }
    at = end;
  }
  return at;
}

/** The data of a record set in the order in which it is signed: as unsigned bytes from the left, each once.
 * @see RFC 4034 §6.3 */
export function canonicalOrder(type: number, data: readonly Uint8Array[]): readonly Uint8Array[] {
  if (data.length === 1 && data[0]) return [canonicalData(type, data[0])];
  const sorted = data.map((one) => canonicalData(type, one)).sort((a, b) => Buffer.compare(a, b));
  return sorted.filter((one, i) => i === 0 || Buffer.compare(one, sorted[i - 1] ?? one) !== 0);
}

/** Record sets as a signature covers them: owner, type, class, original TTL and data of each record.
 * @param ttl seconds
 * @see RFC 4034 §3.1.8.1 */
export function canonicalRecords(
  owner: Name,
  { type, class: recordClass, ttl }: { readonly type: number; readonly class: number; readonly ttl: number },
  ordered: readonly Uint8Array[],
): Buffer {
  const head = Buffer.alloc(owner.length + 1 + 10);
  let at = head.write(owner, "latin1") + 1; // the root label is the zero byte
  at = head.writeUInt16BE(type, at);
  at = head.writeUInt16BE(recordClass, at);
  at = head.writeUInt32BE(ttl, at);
  const parts = ordered.flatMap((data) => {
    const own = Buffer.from(head);
    own.writeUInt16BE(data.length, at);
    return [own, data];
  });
  return Buffer.concat(parts);
}
