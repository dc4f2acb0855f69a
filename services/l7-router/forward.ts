import { randomBytes } from "node:crypto";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { attempt } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Host } from "#shared/server/service.ts";
import type { Downstream } from "./downstream.ts";
import type { Engine } from "./engine/engine.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import { valueOf } from "./headers.ts";
import { incomingHeaders, outgoingHeaders } from "./outgoing.ts";
import { answerOwn, ownAnswerOf } from "./own-answers.ts";
import { Passage } from "./passage.ts";
import { forwardedHeaders, isLoop } from "./policy/forwarded-headers.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { endToEnd, passableTrailers } from "./policy/hop-by-hop.ts";
import { refusal, refusalOf } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { reply } from "./reply.ts";
import { RequestBody } from "./request-body.ts";
import { matchRoute } from "./route/match.ts";
import type { RoutedPool, Snapshot } from "./snapshot.ts";
import { splice } from "./splice.ts";
import { tryOnce } from "./upstream/try.ts";
import type { TryResult } from "./upstream/try.ts";

/** What every request needs of the router. */
export interface Site {
  readonly host: Host;
  readonly engine: Engine;
  readonly viaName: string;
  readonly snapshot: Snapshot;
  readonly draining: boolean;
  /** What `GET /health` answers instead of 200. */
  unhealthy(): Refusal | undefined;
}

/** One request being forwarded. */
interface Ride {
  readonly site: Site;
  readonly downstream: Downstream;
  readonly head: RequestHead;
  readonly forwarded: Forwarded;
  readonly passage: Passage;
  readonly close: boolean;
}

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]); // RFC 9110 §9.2.2
// What a gateway says that could not reach what is behind it: counts against the endpoint, unlike a server's own 500.
const gatewayFailures: ReadonlySet<number> = new Set([502, 503, 504]);

/** The way of a request. Never rejects; resolves when its answer was handed over, or there is nobody to answer.
 * @param last the connection ends after the answer */
export async function forward(downstream: Downstream, site: Site, last: boolean): Promise<void> {
  const { config, table, pools } = site.snapshot;
  const passage = new Passage(downstream, site.host);
  let close = last || site.draining;
  let endpoint: Endpoint | undefined;
  try {
    const read = readHead(downstream.head, config.limits);
    if (!read.ok) return refuse(downstream, passage, read.refusal, true);
    const { head } = read;
    passage.path = head.path;
    const forwarded = identify(head, downstream, site);
    passage.requestId = forwarded.requestId;
    passage.client = forwarded.client;
    close ||= head.asksToUpgrade;

    const own = ownAnswerOf(head);
    if (own) {
      const lines = ["X-Request-Id", forwarded.requestId];
      passage.route = own;
      Object.assign(
        passage,
        answerOwn(own, downstream, {
          unhealthy: site.unhealthy(),
          own: lines,
          close: close || !downstream.isWhole,
        }),
      );
      return;
    }
    if (isLoop(head.headers, site.viaName))
      return refuse(downstream, passage, refusal(508, "LOOP", "this router has already forwarded the request"), close);
    const route = matchRoute(table, head);
    const routed = route && pools.get(route.pool);
    if (!routed) return refuse(downstream, passage, refusal(404, "NO_ROUTE", "no route matches"), close);
    passage.take(route);
    if (head.framing.kind === "length" && head.framing.bytes > config.limits.bodyBytes)
      return refuse(downstream, passage, refusal(413, "BODY_TOO_LARGE", "the body is too large"), true);

    const ride: Ride = { site, downstream, head, forwarded, passage, close };
    const result = await send(ride, routed);
    endpoint = result.connection.endpoint;
    try {
      await giveBack(ride, result);
    } finally {
      endpoint.end();
    }
  } catch (error) {
    fail(downstream, passage, site, error);
  } finally {
    passage.close({ endpoint: endpoint?.name, accessLog: config.accessLog });
  }
}

function identify(head: RequestHead, downstream: Downstream, site: Site): Forwarded {
  return forwardedHeaders({
    headers: head.headers,
    peer: downstream.peer,
    isTrusted: site.snapshot.isTrusted,
    scheme: "http",
    authority: head.authority,
    version: head.version,
    viaName: site.viaName,
    randomHex: (bytes) => randomBytes(bytes).toString("hex"),
  });
}

/** Tries endpoints until one answers. Its `active` is counted up; the caller counts it down. */
async function send(ride: Ride, routed: RoutedPool): Promise<TryResult> {
  const { site, downstream, head, forwarded, passage } = ride;
  const { pool, connections, budget } = routed;
  const { config } = site.snapshot;
  const { clock, metrics } = site.host;
  const { retries } = pool.config;
  const body =
    head.framing.kind === "none"
      ? undefined
      : new RequestBody(downstream.message, {
          clock,
          bytesMax: config.limits.bodyBytes,
          idleMs: config.timeouts.bodyMs,
        });
  const resendable = idempotent.has(head.method) && !body;
  const request = {
    method: head.method,
    target: head.target,
    headers: outgoingHeaders(head, forwarded, downstream.local),
    body,
    trailers: () => passableTrailers(downstream.message.rawTrailers),
    upgrade: head.upgrade,
  };
  const deadlineMs = clock.nowMs() + config.timeouts.requestMs;
  let lastResult: TryResult | undefined;
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
      onChoice: (choice, tried) =>
        passage.chose(passage.traceId === undefined ? undefined : pool.describe(choice, tried)),
      onAttempt: ({ outcome, tookMs }) => {
        passage.ended(outcome, tookMs, outcome === "OK" ? lastResult : undefined);
        if (passage.attempts.length > 1)
          metrics.count("watershed_http_retries_total", { pool: pool.name, reason: outcome });
      },
    },
    async (endpoint, { last }) => {
      const leftMs = Math.max(1, deadlineMs - clock.nowMs());
      endpoint.begin();
      try {
        lastResult = await tryOnce(endpoint, {
          engine: site.engine,
          connections,
          clock,
          request,
          resendable,
          connectMs: config.timeouts.connectMs,
          answerMs: resendable && !last ? Math.min(retries.perTryTimeoutMs, leftMs) : leftMs,
          signal: downstream.signal,
          onInformation: (status, headers) => inform(ride, status, headers),
        });
        return lastResult;
      } catch (error) {
        endpoint.end();
        throw error;
      }
    },
  );
}

/** Passes a 1xx on. A 100 that the client did not ask for means nothing to it. */
function inform({ downstream, head }: Ride, status: number, headers: readonly string[]): void {
  if (status === 100 && !head.expectsContinue) return;
  downstream.inform(status, status === 100 ? [] : endToEnd(headers));
}

/** Carries the answer to the client. */
async function giveBack(ride: Ride, result: TryResult): Promise<void> {
  const { site, downstream, head, forwarded, passage } = ride;
  const { answer, exchange } = result;
  const { timeouts } = site.snapshot.config;
  const own = { via: `1.1 ${site.viaName}`, requestId: forwarded.requestId };
  if (answer.kind === "upgrade") {
    passage.status = 101;
    const headers = incomingHeaders(answer.headers, own, 101);
    const client = downstream.switchProtocols([...headers, "Connection", "Upgrade", "Upgrade", "websocket"]);
    passage.reason = await splice(client, answer.socket, answer.first, {
      clock: site.host.clock,
      idleMs: timeouts.idleMs,
    });
    return;
  }
  passage.status = answer.status;
  const headers = incomingHeaders(answer.headers, own, answer.status);
  const close = ride.close || !downstream.isWhole; // the rest of a body may never come
  const isEvents = valueOf(answer.headers, "content-type")?.startsWith("text/event-stream") ?? false;
  const limits = {
    clock: site.host.clock,
    silentMs: isEvents ? timeouts.idleMs : timeouts.bodyMs,
    blockedMs: timeouts.idleMs,
  };
  const trailers = () => (head.version === "1.0" ? [] : passableTrailers(answer.trailers()));
  try {
    const { status, statusText, body } = answer;
    await downstream.stream({ status, statusText, headers, body, trailers }, close, limits);
  } catch (error) {
    exchange.cancel(error as Error);
    throw error;
  }
  // Answered before the request was whole: the server waits for the rest, which nobody will send.
  if (!downstream.isWhole)
    exchange.cancel(new TrafficError("CLIENT_GONE", "answered early", { origin: "downstream" }));
}

function refuse(downstream: Downstream, passage: Passage, refused: Refusal, close: boolean): void {
  passage.status = refused.status;
  passage.reason = refused.reason;
  passage.isOwnReply = true;
  const own = passage.requestId === "" ? [] : ["X-Request-Id", passage.requestId];
  reply(downstream, refused, own, close || !downstream.isWhole);
}

/** Something went wrong: answers if nothing was, and never ends a half answer cleanly. */
function fail(downstream: Downstream, passage: Passage, site: Site, thrown: unknown): void {
  const error = downstream.signal.aborted ? downstream.signal.reason : thrown;
  const reason: Reason = error instanceof TrafficError ? error.reason : "UPSTREAM_INVALID";
  if (!(error instanceof TrafficError))
    site.host.log.error({ error: messageOf(error), requestId: passage.requestId }, "request_failed");
  if (reason === "CLIENT_GONE" || downstream.headSent) {
    passage.reason = reason;
    if (passage.status === 0) passage.status = 499; // as nginx says in its log: the client left without an answer
    downstream.cut();
    return;
  }
  refuse(downstream, passage, refusalOf(error), site.draining);
}
