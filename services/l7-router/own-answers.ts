import type { Downstream } from "./engine/engine.ts";
import type { RequestHead } from "./head.ts";
import { reply } from "./reply.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";

const allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/** What the router answers itself, before any route. */
export type OwnAnswer = "health" | "options";

export function ownAnswerOf(head: RequestHead): OwnAnswer | undefined {
  if (head.path === "*" || (head.method === "OPTIONS" && hopsLeft(head) === 0)) return "options";
  return head.path === "/health" && (head.method === "GET" || head.method === "HEAD") ? "health" : undefined;
}

/** How many more hops an OPTIONS may take; undefined if it does not say. @see RFC 9110 §7.6.2 */
export function hopsLeft({ seen: { maxForwards } }: Pick<RequestHead, "seen">): number | undefined {
  const [text] = maxForwards;
  return maxForwards.length === 1 && text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** @param unhealthy why this router should get no traffic; undefined while it should
 * @returns the status */
export function answerOwn(
  kind: OwnAnswer,
  downstream: Downstream,
  options: { readonly unhealthy: Refusal | undefined; readonly own: readonly string[]; readonly close: boolean },
): Pick<Refusal, "status" | "reason"> {
  const { unhealthy, own, close } = options;
  if (kind === "health" && unhealthy) {
    reply(downstream, unhealthy, own, close);
    return unhealthy;
  }
  const isHealth = kind === "health";
  const body = isHealth ? '{"status":"ok"}\n' : "";
  const lines = isHealth ? ["Content-Type", "application/json", "Cache-Control", "no-store"] : ["Allow", allowed];
  downstream.send(200, [...lines, "Content-Length", String(body.length), ...own], body, close);
  return { status: 200, reason: "OK" };
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
