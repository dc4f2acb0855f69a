import type { RequestHead } from "./head.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";

const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** What the router answers itself, before any route.
 * @param unhealthy why this router should get no traffic; undefined while it should */
export function ownAnswerOf(head: RequestHead, unhealthy: () => Refusal | undefined): Refusal | undefined {
  const ok = { status: 200, reason: "OK", message: "" } as const;
  if (head.path === "*" || (head.method === "OPTIONS" && hopsLeft(head) === 0))
    return { ...ok, kind: "options", headers: ["Allow", allowed], body: "" };
  if (head.path !== "/health" || (head.method !== "GET" && head.method !== "HEAD")) return undefined;
  const refused = unhealthy();
  if (refused) return { ...refused, kind: "health" };
  const headers = ["Content-Type", "application/json", "Cache-Control", "no-store"];
  return { ...ok, kind: "health", headers, body: '{"status":"ok"}\n' };
}

/** How many more hops an OPTIONS may take; undefined if it does not say. @see RFC 9110 §7.6.2 */
export function hopsLeft({ seen: { maxForwards } }: Pick<RequestHead, "seen">): number | undefined {
  const [text] = maxForwards;
  return maxForwards.length === 1 && text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** What `GET /health` says. Draining counts first: whoever hears it stops sending at once. */
export function healthOf(state: {
  readonly draining: boolean;
  readonly started: boolean;
  /** Essential pools that are not healthy. */
  readonly unhealthyPools: readonly string[];
}): Refusal | undefined {
  if (state.draining) return refusal(503, "DRAINING", "this router takes no new work");
  if (!state.started) return refusal(503, "STARTING", "the first round of health checks is not over");
  if (state.unhealthyPools.length === 0) return undefined;
  return refusal(503, "UNHEALTHY", `without enough servers: ${state.unhealthyPools.join(", ")}`);
}
