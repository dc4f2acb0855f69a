import { keyOf, tokensOf, valueOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";

/** Meant for the next hop alone. @see RFC 9110 §7.6.1; Proxy-Connection, Proxy-Auth*: RFC 9110 appendix B, §11.7 */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-authentication-info",
  "te",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);

/** The header lines that go on to the next hop, in order. Neither those named by Connection nor those of `without`.
 * Whatever the router adds is added afterwards, so no `Connection: x-forwarded-for` can take it away.
 * @param without names in lower case
 * @param listed tokens of Connection, where the caller has them */
export function endToEnd(
  headers: HeaderList,
  without?: ReadonlySet<string>,
  listed: readonly string[] = listedBy(headers),
): string[] {
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? "";
    const key = keyOf(name);
    if (hopByHop.has(key) || without?.has(key) || (listed.length > 0 && listed.includes(key))) continue;
    kept.push(name, headers[i + 1] ?? "");
  }
  return kept;
}

const nothing: readonly string[] = [];

/** What Connection names; mostly it says keep-alive or close, which names nothing. */
function listedBy(headers: HeaderList): readonly string[] {
  const value = valueOf(headers, "connection");
  return value === undefined || value === "keep-alive" || value === "close" ? nothing : tokensOf(headers, "connection");
}

/** Fields that decide framing, routing or rights: never believed from a trailer. @see RFC 9110 §6.5.1 */
const neverInTrailers: ReadonlySet<string> = new Set([
  ...hopByHop,
  "content-length",
  "content-encoding",
  "content-type",
  "content-range",
  "host",
  "trailer",
  "authorization",
  "cookie",
  "set-cookie",
  "expect",
  "range",
  "max-forwards",
  "cache-control",
  "forwarded",
  "via",
]);

/** The trailer fields that go on. */
export function passableTrailers(trailers: HeaderList): string[] {
  const kept: string[] = [];
  for (let i = 0; i < trailers.length; i += 2) {
    const key = (trailers[i] ?? "").toLowerCase();
    if (neverInTrailers.has(key) || key.startsWith("x-forwarded-") || key.includes("_")) continue;
    kept.push(trailers[i] ?? "", trailers[i + 1] ?? "");
  }
  return kept;
}

/** Whether the sender takes trailers, by the tokens of its TE: the only TE that may go on. @see RFC 9110 §10.1.4 */
export function takesTrailers(te: readonly string[]): boolean {
  return te.some((token) => /^trailers(?:\s*;|$)/.test(token));
}
