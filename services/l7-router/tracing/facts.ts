import { assert } from "#shared/core/error.ts";
import type { Downstream } from "#l7-router/engine/engine.ts";
import { valueOf } from "#l7-router/headers.ts";
import type { AttemptNote, Passage } from "#l7-router/passage.ts";
import type { AttemptFacts, RequestFacts } from "./spans.ts";

/** What the spans of a request say that has just ended. */
export function factsOf(passage: Passage, { peer, tls, head }: Downstream, tookMs: number): RequestFacts {
  const { forwarded, startedMs, client, requestId, status, reason, pool, match, routeName } = passage;
  const { method, target, version, headers } = head;
  assert(forwarded.trace, "only a request in a trace has spans");
  const endedAtMs = Date.now();
  const epochMs = endedAtMs - (startedMs + tookMs); // of the monotonic clock
  return {
    trace: forwarded.trace,
    startedAtMs: endedAtMs - tookMs,
    endedAtMs,
    method,
    scheme: tls ? "https" : "http",
    target,
    authority: valueOf(headers, "host") ?? "",
    version,
    client,
    peer,
    userAgent: valueOf(headers, "user-agent"),
    requestId,
    routePath: match?.path ?? match?.pathRegex,
    route: routeName,
    pool,
    status,
    reason,
    attempts: passage.attempts.map((note) => attemptFacts(note, epochMs, endedAtMs)),
  };
}

/** A try that was answered lasts as long as the answer. */
function attemptFacts(note: AttemptNote, epochMs: number, endedAtMs: number): AttemptFacts {
  const { spanId, outcome, hedge, reused, startedMs, tookMs, of: choice } = note;
  const { endpoint } = choice;
  const startedAtMs = epochMs + startedMs;
  return {
    spanId,
    startedAtMs,
    endedAtMs: outcome === "OK" ? endedAtMs : startedAtMs + tookMs,
    endpoint: endpoint?.id,
    name: endpoint?.name,
    zone: endpoint?.zone,
    outcome,
    isHedge: hedge,
    isReused: reused,
  };
}
