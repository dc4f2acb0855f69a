import { nameBytes, uint16 } from "./dns.ts";

/** Records of queries, written by hand. */

/** A record for the end of a query: owner, type, class, TTL and data; the count of the section is not told. */
export function recordBytes(owner: Uint8Array, type: number, class_: number, ttl: number, data: Uint8Array): Buffer {
  const fixed = [uint16(type), uint16(class_), uint16(ttl >>> 16), uint16(ttl & 0xffff), uint16(data.length)];
  return Buffer.concat([owner, ...fixed, data]);
}

const hmacBytes = 32;

/** The data of a TSIG record, by hmac-sha256; its MAC is made up. @see RFC 8945 §4.2 */
export function tsigData(algorithm = nameBytes("hmac-sha256"), originalId = 0x1234): Buffer {
  const time = Buffer.from("0000650000001f40".padEnd(16, "0"), "hex"); // 48 bits of seconds, 16 of fudge
  const mac = Buffer.alloc(hmacBytes, 0xaa);
  return Buffer.concat([algorithm, time, uint16(mac.length), mac, uint16(originalId), uint16(0), uint16(0)]);
}

/** The same query with records behind it, counted as additional ones.
 * @param section offset of the count in the header: 6, 8 or 10 */
export function withRecords(query: Uint8Array, records: readonly Uint8Array[], section = 10): Buffer {
  const message = Buffer.concat([query, ...records]);
  message.writeUInt16BE(message.readUInt16BE(section) + records.length, section);
  return message;
}
