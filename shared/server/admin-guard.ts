import { createHash, timingSafeEqual } from "node:crypto";
import type { MiddlewareHandler } from "hono";
import { parseAddress } from "#shared/core/cidr.ts";

const open = new Set(["/healthz", "/readyz"]); // for orchestrators, which carry no token

/** Lets in whoever holds the token, or anybody local where there is none, but never a page of another site. */
export function guard(token: string | undefined): MiddlewareHandler {
  return async (c, next) => {
    if (isCrossSite(c.req.header("sec-fetch-site"), c.req.header("origin"), c.req.header("host")))
      return c.json({ error: "requests of another site are refused" }, 403);
    if (!token && !isLocalName(c.req.header("host")))
      return c.json({ error: "the Host must be an IP address or localhost while no token is set" }, 403);
    if (token && !open.has(c.req.path) && !sameSecret(c.req.header("authorization") ?? "", `Bearer ${token}`))
      return c.json({ error: "the bearer token of WATERSHED_ADMIN_TOKEN is needed" }, 401, {
        "www-authenticate": "Bearer",
      });
    return next();
  };
}

/** Browsers say so themselves: Fetch Metadata where they know it, else Origin. */
export function isCrossSite(
  fetchSite: string | undefined,
  origin: string | undefined,
  host: string | undefined,
): boolean {
  if (fetchSite !== undefined && fetchSite !== "same-origin" && fetchSite !== "none") return true;
  return origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
}

/** A name could be made to point here by a hostile page (DNS rebinding); an address could not. */
export function isLocalName(host: string | undefined): boolean {
  const name = (host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  return name === "localhost" || parseAddress(name) !== undefined;
}

/** In the same time whatever they have in common. */
export function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}
