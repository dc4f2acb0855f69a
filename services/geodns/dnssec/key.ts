import { createECDH, createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import type { Name } from "../wire/name.ts";
import { nameBytes } from "./canonical.ts";
import { encodeDnskey, encodeDs, keyFlags, keyTag } from "./rdata.ts";

const curve = "prime256v1"; // P-256 (RFC 6605 §1)
const coordinateBytes = 32;

/** When a key is shown and when it signs, in seconds since 1970; undefined: never. */
export interface KeyTimes {
  readonly publish: number | undefined;
  readonly activate: number | undefined;
  readonly inactive: number | undefined;
  readonly delete: number | undefined;
}

/** What a key does at a moment: it is not shown yet, shown only, signs, is shown but signs no more, is gone. */
export type KeyState = "hidden" | "published" | "active" | "retired" | "removed";

/** A key of a dnsZone. Immutable. */
export interface ZoneKey {
  readonly zone: Name;
  readonly flags: number;
  /** Whether the parent's DS names it: the SEP flag (RFC 4034 §2.1.1). */
  readonly isEntryPoint: boolean;
  readonly tag: number;
  /** DNSKEY data. */
  readonly dnskey: Uint8Array;
  readonly times: KeyTimes;
  readonly privateKey: KeyObject;
}

/** The raw number of a key pair: 32 bytes. */
export function generateScalar(): Buffer {
  const pair = createECDH(curve);
  pair.generateKeys();
  return leftPad(pair.getPrivateKey());
}

/** @param scalar 32 bytes
 * @throws if it is no number of the curve */
export function keyOf(zone: Name, flags: number, scalar: Uint8Array, times: KeyTimes): ZoneKey {
  const publicKey = publicKeyOf(scalar);
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: base64(scalar),
    x: base64(publicKey.subarray(0, coordinateBytes)),
    y: base64(publicKey.subarray(coordinateBytes)),
  };
  const dnskey = encodeDnskey(flags, publicKey);
  return {
    zone,
    flags,
    isEntryPoint: flags === keyFlags.entryPoint,
    tag: keyTag(dnskey),
    dnskey,
    times,
    privateKey: createPrivateKey({ format: "jwk", key: jwk }),
  };
}

/** x and y of the point: what a DNSKEY holds (RFC 6605 §4).
 * @throws if the number is none of the curve */
export function publicKeyOf(scalar: Uint8Array): Buffer {
  const pair = createECDH(curve);
  pair.setPrivateKey(scalar);
  return pair.getPublicKey().subarray(1); // without the byte that says "uncompressed"
}

/** Node drops leading zeros of the number. */
function leftPad(scalar: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(coordinateBytes - scalar.length), scalar]);
}

/** r and s, 32 bytes each. @see RFC 6605 §4 */
export function signWith({ privateKey }: ZoneKey, data: Uint8Array): Buffer {
  return sign("sha256", data, { key: privateKey, dsaEncoding: "ieee-p1363" });
}

/** Whether a signature was made by the key of a DNSKEY. */
export function isSignedBy(dnskey: Uint8Array, data: Uint8Array, signature: Uint8Array): boolean {
  const point = Buffer.from(dnskey).subarray(4);
  const jwk = {
    kty: "EC",
    crv: "P-256",
    x: point.toString("base64url", 0, coordinateBytes),
    y: point.toString("base64url", coordinateBytes),
  };
  const key = createPublicKey({ format: "jwk", key: jwk });
  return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** DS data for the parent, SHA-256. @see RFC 4034 §5.1.4, RFC 4509 */
export function dsOf({ zone, dnskey, tag }: Pick<ZoneKey, "zone" | "dnskey" | "tag">): Buffer {
  return encodeDs(tag, createHash("sha256").update(nameBytes(zone)).update(dnskey).digest());
}

/** @param now seconds since 1970 */
export function stateOf({ times }: Pick<ZoneKey, "times">, now: number): KeyState {
  const passed = (time: number | undefined) => time !== undefined && time <= now;
  if (passed(times.delete)) return "removed";
  if (passed(times.inactive)) return "retired";
  if (passed(times.activate)) return "active";
  return passed(times.publish) ? "published" : "hidden";
}

/** The next moment at which the state of a key changes; undefined if it stays. */
export function nextChange({ times }: Pick<ZoneKey, "times">, now: number): number | undefined {
  const ahead = Object.values(times).filter((time): time is number => time !== undefined && time > now);
  return ahead.length > 0 ? Math.min(...ahead) : undefined;
}
