import { Packet } from "dns2";
import type { Resource } from "dns2";
import { types } from "./codes.ts";
import { formatName } from "./name.ts";
import type { Name } from "./name.ts";

/** The one place that knows dns2. It encodes the data of records when a config is loaded. What is done per query (header,
 * question, owners, OPT, truncation) is ours, in reply.ts: dns2's writer keeps an array element a bit, cannot write a
 * name with a dot inside a label, and has no truncation by record set. */

export interface SoaData {
  readonly primary: Name;
  readonly contact: Name;
  readonly serial: number;
  readonly refresh: number;
  readonly retry: number;
  readonly expire: number;
  readonly minimum: number;
}

const characterStringBytesMax = 255; // RFC 1035 §3.3
const rootOwnerAndFixedBytes = 1 + 10; // owner, type, class, TTL, length of the data

/** RDATA of one record, uncompressed. dns2 checks the values again. */
function encode(type: number, fields: Partial<Resource>): Uint8Array {
  const resource = new Packet.Resource({ name: "", class: 1, ttl: 0, type, ...fields });
  return Uint8Array.from(Packet.Resource.encode(resource).subarray(rootOwnerAndFixedBytes));
}

/** @param address IPv4 or IPv6 in the form of `formatAddress` */
export function encodeAddress(address: string): Uint8Array {
  return encode(address.includes(":") ? types.AAAA : types.A, { address });
}

export function encodeNs(target: Name): Uint8Array {
  return encode(types.NS, { ns: formatName(target) });
}

export function encodeCname(target: Name): Uint8Array {
  return encode(types.CNAME, { domain: formatName(target) });
}

/** Text over 255 bytes is split: dns2 would cut the length to its low 8 bits. */
export function encodeTxt(text: string): Uint8Array {
  const bytes = Buffer.from(text, "utf8");
  const strings: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += characterStringBytesMax)
    strings.push(bytes.subarray(at, at + characterStringBytesMax));
  // dns2 takes buffers here, though its types say strings only.
  return encode(types.TXT, { data: strings as unknown as string[] });
}

export function encodeSoa({ primary, contact, expire, ...numbers }: SoaData): Uint8Array {
  return encode(types.SOA, {
    primary: formatName(primary),
    admin: formatName(contact),
    expiration: expire,
    ...numbers,
  });
}

/** A type that dns2 does not know goes in as it is. */
export function encodeHinfo(cpu: string, os: string): Uint8Array {
  const data = Buffer.concat(
    [cpu, os].map((text) => Buffer.from(`${String.fromCharCode(text.length)}${text}`, "latin1")),
  );
  return encode(types.HINFO, { data });
}
