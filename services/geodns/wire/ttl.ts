import { types } from "./codes.ts";
import { skipName } from "./name.ts";
import { headerBytes } from "./query.ts";

/** Seconds for which a reply may be kept: the smallest TTL of its answers, or what the SOA says of there being none.
 * @param reply a whole DNS message
 * @returns undefined if it says nothing of that, as an error does
 * @see RFC 8484 §5.1, RFC 2308 §5 */
export function freshnessSeconds(reply: Uint8Array): number | undefined {
  const read16 = (at: number) => ((reply[at] ?? 0) << 8) | (reply[at + 1] ?? 0);
  const read32 = (at: number) => read16(at) * 0x1_0000 + read16(at + 2);
  const answers = read16(6);
  const records = answers + read16(8);
  let at = headerBytes;
  for (let i = read16(4); i > 0; i--) {
    const end = skipName(reply, at);
    if (end < 0) return undefined;
    at = end + 4;
  }
  let smallest: number | undefined;
  for (let i = 0; i < records; i++) {
    const fixed = skipName(reply, at);
    if (fixed < 0) return undefined;
    const end = fixed + 10 + read16(fixed + 8);
    const ttl = read32(fixed + 4);
    if (i < answers) smallest = Math.min(smallest ?? ttl, ttl);
    // Of a negative answer, behind aliases too. The last field of a SOA is the TTL of it (RFC 2308 §5).
    else if (read16(fixed) === types.SOA) smallest = Math.min(smallest ?? ttl, ttl, read32(end - 4));
    at = end;
  }
  return smallest;
}
