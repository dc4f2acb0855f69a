import type { RouteConfig } from "#shared/config/schema/l7-router.ts";
import { refusal } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import { locationOf } from "../route/fill.ts";
import type { CompiledRoute } from "../route/compile.ts";
import type { Routable } from "../route/match.ts";

/** What a route answers itself: it redirects, or has an answer of its own. */
export function ownRouteAnswer(route: CompiledRoute, request: Routable): Refusal | undefined {
  const { redirect, respond } = route.config;
  if (redirect) {
    const location = locationOf(redirect.to, route, request);
    return refusal(redirect.status, "REDIRECTED", "it is found elsewhere", ["Location", location]);
  }
  if (!respond) return undefined;
  const { status, body, headers } = respond;
  const given = Object.entries(headers);
  const hasType = given.some(([name]) => name.toLowerCase() === "content-type");
  const lines = [...(hasType || body === "" ? [] : ["Content-Type", "text/plain; charset=utf-8"]), ...given.flat()];
  return { status, reason: "FIXED_ANSWER", message: "", headers: lines, body };
}

export function closedAnswer({ maintenance }: RouteConfig): Refusal {
  const { message = "closed for maintenance", retryAfter: retryAfterMs = 60_000 } = maintenance ?? {};
  return refusal(503, "MAINTENANCE", message, ["Retry-After", String(Math.max(1, Math.round(retryAfterMs / 1_000)))]);
}
