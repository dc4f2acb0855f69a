import type { StickyConfig } from "#shared/config/schema/sticky.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Random } from "#shared/core/random.ts";
import { bucketCount } from "#shared/endpoint/affinity-order.ts";
import { cookiesNamed } from "../cookies.ts";
import type { Routable } from "../route/match.ts";
import { clientKey } from "./rate-limit.ts";
import { readCookie, signCookie } from "./sticky-cookie.ts";
import type { StickyKeys } from "./sticky-keys.ts";

/** How a request came by its bucket. */
export type StickyBy = "kept" | "renewed" | "new" | "forged" | "expired" | "header" | "no header" | "clientAddress";

/** Where a user is kept. */
export interface Affinity {
  /** 0..255 */
  readonly bucket: number;
  readonly by: StickyBy;
  /** Value of the Set-Cookie that goes with the answer, but for Secure. */
  readonly setCookie: string | undefined;
}

/** Who asks. */
export interface StickyUser {
  readonly request: Pick<Routable, "headerValues">;
  /** Its address. */
  readonly client: string;
}

/** The bucket of a request.
 * @param wallS seconds since 1970: cookies are told apart by their end on every router */
export function affinityOf(
  sticky: StickyConfig,
  { request, client }: StickyUser,
  { keys }: StickyKeys,
  random: Random,
  wallS = Math.floor(Date.now() / 1_000),
): Affinity {
  if (sticky.clientAddress) return hashed(clientKey(client), "clientAddress");
  if (sticky.header !== undefined) {
    const values = request.headerValues(sticky.header.toLowerCase());
    // Anywhere, but not all to one place: the server's connection would be the router's.
    return values.length === 0 ? drawn(random, "no header", undefined) : hashed(values.join(", "), "header");
  }
  const name = sticky.cookie ?? "";
  const ttlS = Math.floor(sticky.ttlMs / 1_000);
  let by: StickyBy = "new";
  for (const value of cookiesNamed(name, request.headerValues("cookie"))) {
    const read = readCookie(name, value, wallS, keys);
    if (read.state !== "valid") {
      by = read.state;
      continue;
    }
    const { bucket, expiresS } = read;
    const isYoung = expiresS - wallS > ttlS / 2;
    return isYoung
      ? { bucket, by: "kept", setCookie: undefined }
      : { bucket, by: "renewed", setCookie: cookieOf(bucket) };
  }
  return drawn(random, by, cookieOf);

  function cookieOf(bucket: number): string {
    const value = signCookie(name, bucket, wallS + ttlS, keys);
    return `${name}=${value}; Path=/; Max-Age=${ttlS}; HttpOnly; SameSite=Lax`;
  }
}

function hashed(text: string, by: StickyBy): Affinity {
  return { bucket: hash32(text) % bucketCount, by, setCookie: undefined };
}

function drawn(random: Random, by: StickyBy, cookieOf: ((bucket: number) => string) | undefined): Affinity {
  const bucket = Math.floor(random() * bucketCount);
  return { bucket, by, setCookie: cookieOf?.(bucket) };
}
