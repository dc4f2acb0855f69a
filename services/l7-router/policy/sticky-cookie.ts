import { createHmac, timingSafeEqual } from "node:crypto";

const format = 1;
const saidBytes = 6; // format, bucket, end of its life in seconds of the wall clock
const macBytes = 16; // 128 bits of HMAC-SHA-256 (RFC 2104 §5: no fewer than half)
const lettersOfAll = 30; // of base64url

/** What a cookie says. */
export type CookieReading =
  | { readonly state: "valid"; readonly bucket: number; readonly expiresS: number }
  | { readonly state: "expired" | "forged" };

type Keys = readonly [Buffer, ...Buffer[]];

/** The value of a cookie: nothing of servers or addresses, only the bucket and until when.
 * @param name of the cookie; its value is good for no other
 * @param expiresS seconds since 1970, below 2^32 */
export function signCookie(name: string, bucket: number, expiresS: number, [key]: Keys): string {
  const said = Buffer.alloc(saidBytes);
  said[0] = format;
  said[1] = bucket;
  said.writeUInt32BE(expiresS, 2);
  return Buffer.concat([said, macOf(name, said, key)]).toString("base64url");
}

export function readCookie(name: string, value: string, nowS: number, keys: Keys): CookieReading {
  if (value.length !== lettersOfAll) return { state: "forged" };
  const bytes = Buffer.from(value, "base64url");
  const said = bytes.subarray(0, saidBytes);
  const mac = bytes.subarray(saidBytes);
  // One writing only: the last letter has bits to spare, and characters that are no letters are passed over.
  const isOurs = bytes.toString("base64url") === value && said[0] === format;
  if (!isOurs || !keys.some((key) => timingSafeEqual(macOf(name, said, key), mac))) return { state: "forged" };
  const expiresS = said.readUInt32BE(2);
  return expiresS <= nowS ? { state: "expired" } : { state: "valid", bucket: said[1] ?? 0, expiresS };
}

function macOf(name: string, said: Buffer, key: Buffer): Buffer {
  return createHmac("sha256", key).update(name).update("\n").update(said).digest().subarray(0, macBytes);
}
