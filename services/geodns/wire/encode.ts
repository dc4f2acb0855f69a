import { Packet } from "dns2";
import type { Resource } from "dns2";
import { formatAddress } from "#shared/core/cidr.ts";
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

/** RDATA of a record by its fields, named as dns2 names them; names and texts are byte strings.
 * @returns undefined where dns2 does not know the type, or would write it wrongly */
export function encodeKnown(type: number, fields: Fields): Uint8Array | undefined {
  if (type === types.A || type === types.AAAA)
    return encodeAddress(formatAddress(Buffer.from(String(fields["address"]), "latin1")));
  if (type === types.TXT || type === types.SPF) return encode(type, { data: toTexts(fields) });
  const named = namesIn[type];
  if (!named) return undefined;
  // It splits names at every dot and takes texts for UTF-8: what holds more than plain characters is ours to write.
  if (Object.values(fields).some((value) => typeof value === "string" && /[^\0-\x7e]/.test(value))) return undefined;
  const known: Record<string, unknown> = { ...fields };
  for (const key of named) {
    const text = formatName(String(fields[key]));
    if (text.includes("\\")) return undefined;
    known[key] = text;
  }
  return encode(type, known);
}

type Fields = Readonly<Record<string, number | string | readonly string[]>>;

/** Other types that dns2 writes, and which of their fields are names. */
const namesIn: Readonly<Record<number, readonly string[]>> = {
  [types.NS]: ["ns"],
  [types.CNAME]: ["domain"],
  [types.PTR]: ["domain"],
  [types.MX]: ["exchange"],
  [types.SOA]: ["primary", "admin"],
  [types.SRV]: ["target"],
  [types.CAA]: [],
};

function toTexts({ data }: Fields): string[] {
  const texts = Array.isArray(data) ? (data as readonly string[]) : [String(data)];
  // dns2 takes buffers here, though its types say strings only.
  return texts.map((text) => Buffer.from(text, "latin1")) as unknown as string[];
}

/** A type that dns2 does not know goes in as it is. */
export function encodeHinfo(cpu: string, os: string): Uint8Array {
  const data = Buffer.concat(
    [cpu, os].map((text) => Buffer.from(`${String.fromCharCode(text.length)}${text}`, "latin1")),
  );
  return encode(types.HINFO, { data });
}
