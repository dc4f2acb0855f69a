import type { RequestHead } from "./head.ts";
import type { Passage } from "./passage.ts";
import { isLoop } from "./policy/forwarded-headers.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { matchRoute } from "./route/match.ts";
import type { RoutedPool, Snapshot } from "./snapshot.ts";

/** The pool that a request goes to, or why it goes nowhere. */
export function admit(
  head: RequestHead,
  { table, pools, config }: Snapshot,
  viaName: string,
  passage: Passage,
): RoutedPool | Refusal {
  if (isLoop(head.seen, viaName)) return refusal(508, "LOOP", "this router has already forwarded the request");
  const route = matchRoute(table, head);
  const routed = route && pools.get(route.pool);
  if (!routed) return refusal(404, "NO_ROUTE", "no route matches");
  passage.take(route);
  if (head.framing.kind === "length" && head.framing.bytes > config.limits.bodyBytes)
    return refusal(413, "BODY_TOO_LARGE", "the body is too large");
  return routed;
}
