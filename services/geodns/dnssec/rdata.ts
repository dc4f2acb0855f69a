import { typeName } from "../wire/codes.ts";
import { formatName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { nameBytes } from "./canonical.ts";

/** Data of the records of DNSSEC. @see RFC 4034, RFC 6605, RFC 7344 */

/** ECDSA on curve P-256 with SHA-256, the one algorithm that is signed with. @see RFC 6605 */
export const algorithm = 13;
const dnskeyProtocol = 3; // RFC 4034 §2.1.2
const sha256Digest = 2; // RFC 4509 §2.1

/** Flags of a DNSKEY: all of our keys belong to a dnsZone; the entry point is what the parent's DS names. */
export const keyFlags = { zone: 256, entryPoint: 257 } as const;

/** @param publicKey 64 bytes: x and y of the point (RFC 6605 §4) */
export function encodeDnskey(flags: number, publicKey: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(flags >> 8, flags & 0xff, dnskeyProtocol, algorithm), publicKey]);
}

/** The number that signatures and DS records call a key by; not unique. @see RFC 4034 appendix B */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0;
  for (const [i, byte] of dnskey.entries()) sum += i % 2 === 0 ? byte << 8 : byte;
  return (sum + (sum >> 16)) & 0xffff;
}

/** @param digest SHA-256 of the owner in wire form and the DNSKEY (RFC 4034 §5.1.4) */
export function encodeDs(tag: number, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, algorithm, sha256Digest), digest]);
}

export interface RrsigFields {
  readonly typeCovered: number;
  readonly labels: number;
  /** Seconds. */
  readonly originalTtl: number;
  /** Seconds since 1970, modulo 2^32 (RFC 4034 §3.1.5). */
  readonly expiration: number;
  readonly inception: number;
  readonly tag: number;
  readonly signer: Name;
}

/** RRSIG data without the signature: what is signed begins with it. @see RFC 4034 §3.1 */
export function encodeRrsigHead(fields: RrsigFields): Buffer {
  const fixed = Buffer.alloc(18);
  let at = fixed.writeUInt16BE(fields.typeCovered, 0);
  at = fixed.writeUInt8(algorithm, at);
  at = fixed.writeUInt8(fields.labels, at);
  at = fixed.writeUInt32BE(fields.originalTtl, at);
  at = fixed.writeUInt32BE(fields.expiration >>> 0, at);
  at = fixed.writeUInt32BE(fields.inception >>> 0, at);
  fixed.writeUInt16BE(fields.tag, at);
  return Buffer.concat([fixed, nameBytes(fields.signer)]);
}

/** When a signature begins and ends, seconds since 1970. @param rrsig its data */
export function timesOfRrsig(rrsig: Uint8Array): { readonly inception: number; readonly expiration: number } {
  const fixed = Buffer.from(rrsig.buffer, rrsig.byteOffset, 18);
  return { expiration: fixed.readUInt32BE(8), inception: fixed.readUInt32BE(12) };
}

/** The same for people, in the form of zone files. */
export function dnskeyText(dnskey: Uint8Array): string {
  const data = Buffer.from(dnskey);
  return `${data.readUInt16BE(0)} ${data[2]} ${data[3]} ${data.toString("base64", 4)}`;
}

export function dsText(ds: Uint8Array): string {
  const data = Buffer.from(ds);
  return `${data.readUInt16BE(0)} ${data[2]} ${data[3]} ${data.toString("hex", 4)}`;
}

export function rrsigText(fields: RrsigFields): string {
  const { typeCovered, labels, originalTtl, expiration, inception, tag, signer } = fields;
  const times = `${formatTime(expiration)} ${formatTime(inception)}`;
  return `${typeName(typeCovered)} ${algorithm} ${labels} ${originalTtl} ${times} ${tag} ${formatName(signer)}`;
}

/** Seconds since 1970 as YYYYMMDDHHmmSS in UTC, as in zone files and key files. @see RFC 4034 §3.2 */
export function formatTime(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().replaceAll(/[-:T]|\.\d+Z/g, "");
}

/** @returns seconds since 1970; undefined if it is not such a time */
export function parseTime(text: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$/.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1);
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1_000;
}
