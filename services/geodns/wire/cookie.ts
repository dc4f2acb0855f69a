import { optionCodes } from "./codes.ts";
import { sipHash24 } from "./siphash.ts";

/** DNS cookies: who sends back what we gave its address can receive there, so its address is not forged. A server cookie is
 * version, reserved bytes, time and a hash that only those who share the secret can make: nothing is kept about clients.
 * All works on bytes at offsets and allocates nothing.
 * @see RFC 7873, RFC 9018 */

/** Secrets of 16 bytes, as words of 32 bits, little-endian: the first makes cookies, all are good to check them. */
export type CookieSecrets = Uint32Array;

/** What a COOKIE option of a query says of its sender. */
export const cookieVerdicts = {
  /** A length that no cookie has: FORMERR. */
  malformed: 0,
  /** A client cookie alone. */
  clientOnly: 1,
  /** A server cookie that is not ours, was given to another address, or is too old. */
  invalid: 2,
  /** Ours, but due for a fresh one: half an hour old, or made with a former secret. */
  stale: 3,
  /** Ours, and goes back as it came. */
  fresh: 4,
} as const;
export type CookieVerdict = (typeof cookieVerdicts)[keyof typeof cookieVerdicts];

/** Of the whole option in a reply: code, length, client and server cookie. */
export const cookieOptionBytes = 4 + 8 + 16;
export const secretBytes = 16;

const clientBytes = 8;
const serverBytes = 16; // of ours; others may have 8 to 32
const cookieBytesMin = 16;
const cookieBytesMax = 40; // RFC 7873 §4.1
const hashAt = 16; // behind the client cookie, version, reserved bytes and time
const secretWords = secretBytes / 4;
const version = 1;
const ageSecondsMax = 3_600; // RFC 9018 §4.3, as the two below
const futureSecondsMax = 300;
const freshSecondsMax = 1_800;

// Client cookie, first half of the server cookie, client address. One cookie is hashed at a time: hashing never awaits.
const input = new Uint8Array(hashAt + 16);
const hash = new Uint8Array(8);

/** The words of secrets of 16 bytes each, as `CookieSecrets` are. */
export function cookieSecretsOf(secrets: readonly Uint8Array[]): CookieSecrets {
  const words = new Uint32Array(secrets.length * secretWords);
  for (const [i, secret] of secrets.entries()) {
    const view = new DataView(secret.buffer, secret.byteOffset, secretBytes);
    for (let word = 0; word < secretWords; word++) words[i * secretWords + word] = view.getUint32(4 * word, true);
  }
  return words;
}

/** Checks the value of a COOKIE option.
 * @param at of the value in the message, behind code and length
 * @param length of the value
 * @param client address that the query came from, 4 or 16 bytes
 * @param nowSeconds since 1970, whole */
export function checkCookie(
  message: Uint8Array,
  at: number,
  length: number,
  client: Uint8Array,
  nowSeconds: number,
  secrets: CookieSecrets,
): CookieVerdict {
  if (length === clientBytes) return cookieVerdicts.clientOnly;
  if (length < cookieBytesMin || length > cookieBytesMax) return cookieVerdicts.malformed;
  if (length !== clientBytes + serverBytes || message[at + clientBytes] !== version) return cookieVerdicts.invalid;
  const age = ageSeconds(message, at + clientBytes + 4, nowSeconds);
  if (age > ageSecondsMax || age < -futureSecondsMax) return cookieVerdicts.invalid;
  for (let i = 0; i < hashAt; i++) input[i] = message[at + i] ?? 0;
  for (let secretAt = 0; secretAt < secrets.length; secretAt += secretWords) {
    hashWith(secrets, secretAt, client);
    let difference = 0;
    for (let i = 0; i < hash.length; i++) difference |= (hash[i] ?? 0) ^ (message[at + hashAt + i] ?? 0);
    if (difference !== 0) continue;
    return secretAt === 0 && age <= freshSecondsMax ? cookieVerdicts.fresh : cookieVerdicts.stale;
  }
  return cookieVerdicts.invalid;
}

/** Writes the COOKIE option of a reply: the client cookie of the query, and a server cookie, the one of the query if it is fresh.
 * @param at of the option's value in the query, whose first 8 bytes are the client cookie
 * @param verdict what `checkCookie` said of it; not malformed
 * @returns offset after what was written */
export function writeCookieOption(
  into: Uint8Array,
  intoAt: number,
  message: Uint8Array,
  at: number,
  verdict: CookieVerdict,
  client: Uint8Array,
  nowSeconds: number,
  secrets: CookieSecrets,
): number {
  into[intoAt] = optionCodes.COOKIE >> 8;
  into[intoAt + 1] = optionCodes.COOKIE;
  into[intoAt + 2] = 0;
  into[intoAt + 3] = clientBytes + serverBytes;
  const valueAt = intoAt + 4;
  const copied = verdict === cookieVerdicts.fresh ? clientBytes + serverBytes : clientBytes;
  for (let i = 0; i < copied; i++) into[valueAt + i] = message[at + i] ?? 0;
  if (verdict === cookieVerdicts.fresh) return valueAt + copied;
  const serverAt = valueAt + clientBytes;
  into[serverAt] = version;
  into[serverAt + 1] = 0;
  into[serverAt + 2] = 0;
  into[serverAt + 3] = 0;
  into[serverAt + 4] = nowSeconds >>> 24;
  into[serverAt + 5] = nowSeconds >>> 16;
  into[serverAt + 6] = nowSeconds >>> 8;
  into[serverAt + 7] = nowSeconds;
  for (let i = 0; i < hashAt; i++) input[i] = into[valueAt + i] ?? 0;
  hashWith(secrets, 0, client);
  for (let i = 0; i < hash.length; i++) into[valueAt + hashAt + i] = hash[i] ?? 0;
  return valueAt + hashAt + hash.length;
}

/** Hash of the first half of `input` and the client's address. */
function hashWith(secrets: CookieSecrets, secretAt: number, client: Uint8Array): void {
  for (let i = 0; i < client.length; i++) input[hashAt + i] = client[i] ?? 0;
  sipHash24(secrets, secretAt, input, hashAt + client.length, hash, 0);
}

/** Negative for a time that is yet to come. The 32 bits wrap round in 2106 (RFC 1982). */
function ageSeconds(bytes: Uint8Array, at: number, nowSeconds: number): number {
  const time =
    ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  return (nowSeconds - time) | 0;
}
