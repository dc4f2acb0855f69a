import { hash32 } from "#shared/core/hash.ts";
import { attempt } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { UpstreamRequest } from "./engine/engine.ts";
import { outgoingHeaders } from "./outgoing.ts";
import { endToEnd, passableTrailers } from "./policy/hop-by-hop.ts";
import { RequestBody } from "./request-body.ts";
import type { Ride } from "./ride.ts";
import type { RoutedPool } from "./snapshot.ts";
import { tryOnce } from "./upstream/try.ts";
import type { TryOptions, TryResult } from "./upstream/try.ts";

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]); // RFC 9110 §9.2.2
// What a gateway says that could not reach what is behind it: counts against the endpoint, unlike a server's own 500.
const gatewayFailures: ReadonlySet<number> = new Set([502, 503, 504]);

/** Tries endpoints of the pool until one answers. That one's `active` is counted up; the caller counts it down.
 * @throws {TrafficError} */
export async function send(ride: Ride, { pool, connections, budget }: RoutedPool): Promise<TryResult> {
  const { site, downstream, head, forwarded, passage } = ride;
  const { timeouts } = site.snapshot.config;
  const { clock, metrics } = site.host;
  const { retries } = pool.config;
  const request = upstreamRequest(ride);
  const resendable = idempotent.has(head.method) && !request.body;
  const deadlineMs = clock.nowMs() + timeouts.requestMs;
  let lastResult: TryResult | undefined;

  const options: Omit<TryOptions, "answerMs"> = {
    engine: site.engine,
    connections,
    clock,
    request,
    resendable,
    connectMs: timeouts.connectMs,
    signal: downstream.signal,
    onInformation: (status, headers) => {
      if (status === 100) request.body?.release();
      inform(ride, status, headers);
    },
  };
  const tryEndpoint = async (endpoint: Endpoint, { last }: { readonly last: boolean }): Promise<TryResult> => {
    const leftMs = Math.max(1, deadlineMs - clock.nowMs());
    const answerMs = resendable && !last ? Math.min(retries.perTryTimeoutMs, leftMs) : leftMs;
    endpoint.begin();
    try {
      lastResult = await tryOnce(endpoint, { ...options, answerMs });
      return lastResult;
    } catch (error) {
      endpoint.end();
      throw error;
    }
  };
  return attempt(
    pool,
    {
      hash: hash32(forwarded.client),
      attemptsMax: retries.attempts,
      budget,
      signal: downstream.signal,
      // A connect that failed has sent nothing, whatever the method.
      mayRetry: ({ reason }) => resendable || reason === "CONNECT_FAILED" || reason === "CONNECT_TIMEOUT",
      failureOf: ({ answer }) =>
        answer.kind === "answer" && gatewayFailures.has(answer.status) ? "UNHEALTHY" : undefined,
      onChoice: (choice, tried) => {
        const before = passage.attempts.at(-1);
        if (before) metrics.count("watershed_http_retries_total", { pool: pool.name, reason: before.outcome });
        passage.chose(passage.traceId === undefined ? undefined : pool.describe(choice, tried));
      },
      onAttempt: ({ outcome, tookMs }) => passage.ended(outcome, tookMs, outcome === "OK" ? lastResult : undefined),
    },
    tryEndpoint,
  );
}

function upstreamRequest({ site, downstream, head, forwarded }: Ride): UpstreamRequest {
  const { limits, timeouts } = site.snapshot.config;
  const { message } = downstream;
  const { clock } = site.host;
  const bodyOptions = {
    clock,
    bytesMax: limits.bodyBytes,
    idleMs: timeouts.bodyMs,
    heldBack: head.expectsContinue,
  };
  return {
    method: head.method,
    target: head.target,
    headers: outgoingHeaders(head, forwarded, downstream.local),
    body: head.framing.kind === "none" ? undefined : new RequestBody(message, bodyOptions),
    trailers: () => passableTrailers(message.rawTrailers),
    upgrade: head.upgrade,
  };
}

const lengthOnly: ReadonlySet<string> = new Set(["content-length"]);

/** Passes a 1xx on, which has no length (RFC 9110 §8.6). A 100 that the client did not ask for means nothing to it. */
function inform({ downstream, head }: Ride, status: number, headers: readonly string[]): void {
  if (status === 100 && !head.expectsContinue) return;
  downstream.inform(status, status === 100 ? [] : endToEnd(headers, lengthOnly));
}
