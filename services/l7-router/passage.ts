import type { HeaderEdits } from "#shared/config/schema/route-actions.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { AttemptRecord } from "#shared/endpoint/attempt.ts";
import type { PoolChoice } from "#shared/endpoint/choice.ts";
import type { Choice } from "#shared/endpoint/status.ts";
import type { AccessEntry } from "./access-log/format.ts";
import type { Downstream, UpstreamRequest } from "./engine/engine.ts";
import { valueOf } from "./headers.ts";
import type { CompiledRoute } from "./route/compile.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import type { Refusal } from "./refusal.ts";
import type { Site } from "./site.ts";
import { randomHex } from "./random-hex.ts";
import { factsOf } from "./tracing/facts.ts";
import { traceparentOf, withTraceparent } from "./tracing/trace-context.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";

/** What became of a second try beside the first: it answered first, or second, or failed; or the first failed, so that it
 * went on alone; or why there was none. */
export type HedgeResult = "won" | "lost" | "failed" | "alone" | "none left" | "no budget";

/** One try, as a trace tells it. */
export interface AttemptNote {
  readonly of: PoolChoice;
  readonly choice: Choice | undefined;
  /** It went beside the one before. */
  readonly hedge: boolean;
  /** Of its span; "" where none is exported. */
  readonly spanId: string;
  readonly startedMs: number;
  outcome: Reason;
  tookMs: number;
  /** Our end of the connection, "address:port". */
  connection: string | null;
  reused: boolean;
  connectMs: number | null;
  firstByteMs: number | null;
}

const traceIdForm = /^[0-9A-Za-z-]{8,64}$/;

const nobodyYet: Forwarded = { client: "", requestId: "", headers: [] };

/** What is known of one request on its way, for metrics, access log and trace. */
export class Passage {
  readonly startedMs: number;
  readonly attempts: AttemptNote[] = [];
  /** Undefined unless the first try was slow and a second was wanted beside it. */
  hedge: HedgeResult | undefined;
  /** "" until it is known. */
  requestId = "";
  client = "";
  forwarded = nobodyYet;
  path: string;
  status = 0;
  reason: Reason = "OK";
  /** The router itself made the answer. */
  isOwnReply = false;
  /** Index of the route, or what answered instead of one. */
  route = "none";
  pool = "";
  /** Edits of the route, of a server's answer. */
  replyHeaders: HeaderEdits | undefined;
  /** By which a sticky pool will know this user. */
  setCookie: string | undefined;
  match: CompiledRoute["match"] | undefined;
  #routeName: string | undefined;
  #firstTryMs: number | undefined;
  /** Bytes of the bodies. */
  bytesIn = 0;
  bytesOut = 0;
  /** To the head of the server's answer. */
  firstByteMs: number | undefined;
  readonly #site: Site;
  readonly #downstream: Downstream;
  /** The decision is recorded under it, as the client wants, or for whoever looks on. */
  readonly traceId: string | undefined;

  constructor(downstream: Downstream, site: Site) {
    this.#downstream = downstream;
    this.#site = site;
    this.startedMs = site.host.clock.nowMs();
    this.path = downstream.head.target;
    this.client = downstream.peer;
    const traceId = valueOf(downstream.head.headers, "x-watershed-trace");
    const isAsked = traceId !== undefined && traceIdForm.test(traceId);
    this.traceId = isAsked ? traceId : site.host.decisions.draw(site.host.clock);
  }

  /** The client has come by TLS. */
  get isSecure(): boolean {
    return this.#downstream.tls !== undefined;
  }

  identified(path: string, forwarded: Forwarded): void {
    this.path = path;
    this.forwarded = forwarded;
    this.requestId = forwarded.requestId;
    this.client = forwarded.client;
  }

  /** Name of the route, or its number; or what answered instead of one. */
  get routeName(): string {
    return this.#routeName ?? this.route;
  }

  get #isSampled(): boolean {
    return this.forwarded.trace?.isSampled ?? false;
  }

  /** As the attempt that begins now sends it. */
  traced(request: UpstreamRequest): UpstreamRequest {
    const { trace } = this.forwarded;
    if (!trace?.isSampled) return request;
    return withTraceparent(request, traceparentOf(trace, this.attempts.at(-1)?.spanId ?? trace.spanId));
  }

  /** @param pool "" where the route leads to none */
  take(route: CompiledRoute, pool: string): void {
    this.route = String(route.index);
    this.#routeName = route.config.name;
    this.replyHeaders = route.config.replyHeaders;
    this.pool = pool;
    this.match = route.match;
  }

  /** The router makes the answer itself. */
  refused({ status, reason, kind }: Refusal): void {
    this.status = status;
    this.reason = reason;
    if (kind) this.route = kind;
    else this.isOwnReply = true;
  }

  /** Why a request failed. What is no failure of traffic is the router's own, and logged. */
  reasonOf(thrown: unknown): Reason {
    if (thrown instanceof TrafficError) return thrown.reason;
    this.#site.host.log.error({ error: messageOf(thrown), requestId: this.requestId }, "request_failed");
    return "UPSTREAM_INVALID";
  }

  get viaName(): string {
    return this.#site.viaName;
  }

  /** What every answer says of its way: name, value ... */
  answerLines(): string[] {
    const lines = this.requestId === "" ? [] : ["X-Request-Id", this.requestId];
    if (this.#site.snapshot.config.serverTiming) lines.push("Server-Timing", this.#timing());
    return lines;
  }

  /** The router's own time, and that of all tries, connects among them. @see https://www.w3.org/TR/server-timing/ */
  #timing(): string {
    const nowMs = this.#site.host.clock.nowMs();
    const upstreamMs = this.#firstTryMs === undefined ? 0 : nowMs - this.#firstTryMs;
    const own = `router;dur=${round(nowMs - this.startedMs - upstreamMs)}`;
    return this.#firstTryMs === undefined ? own : `${own}, upstream;dur=${round(upstreamMs)}`;
  }

  /** The head of a server's answer has come. */
  answered(status: number): void {
    this.status = status;
    this.firstByteMs = this.#site.host.clock.nowMs() - this.startedMs;
  }

  /** It ends without a whole answer. */
  left(reason: Reason): void {
    this.reason = reason;
    if (this.status === 0) this.status = 499; // as nginx says in its log: the client left without an answer
  }

  /** A further attempt begins.
   * @param described for a trace
   * @param beside another is still under way */
  chose(choice: PoolChoice, described: Choice | undefined, beside: boolean): void {
    const before = this.attempts.at(-1);
    this.#firstTryMs ??= this.#site.host.clock.nowMs();
    if (before && !beside)
      this.#site.host.metrics.count("watershed_http_retries_total", { pool: this.pool, reason: before.outcome });
    this.attempts.push({
      of: choice,
      choice: described,
      hedge: beside,
      spanId: this.#isSampled ? randomHex(8) : "",
      startedMs: this.#site.host.clock.nowMs(),
      outcome: "OK",
      tookMs: 0,
      connection: null,
      reused: false,
      connectMs: null,
      firstByteMs: null,
    });
  }

  /** @param connection on which the answer came; undefined if there was none */
  ended(
    { choice, outcome, tookMs }: AttemptRecord,
    connection: UpstreamConnection | undefined,
    firstByteMs: number,
  ): void {
    const attempt = this.attempts.findLast(({ of }) => of === choice);
    if (!attempt) return;
    attempt.outcome = outcome;
    attempt.tookMs = tookMs;
    if (!connection) return;
    attempt.connection = connection.facts.local;
    attempt.reused = connection.uses > 1;
    attempt.connectMs = attempt.reused ? 0 : connection.facts.connectMs;
    attempt.firstByteMs = firstByteMs;
  }

  /** The request is over: counted, logged if asked for, recorded if it is traced.
   * @param endpoint that answered; undefined if none did */
  close(endpoint: string | undefined): void {
    const { host, tallies } = this.#site;
    const { metrics, clock, decisions } = host;
    const tookMs = clock.nowMs() - this.startedMs;
    const { status, reason, route, pool, client, requestId, path } = this;
    tallies.of(route, pool).count(status, tookMs, this.firstByteMs, this.bytesIn, this.bytesOut);
    if (this.isOwnReply) metrics.count("watershed_http_replies_total", { reason });
    const { method } = this.#downstream.head;
    const { accessLog, tracing } = this.#site.recorders();
    if (accessLog?.isWanted()) accessLog.write(this.#entry(endpoint, tookMs));
    if (this.#isSampled) tracing?.write(factsOf(this, this.#downstream, tookMs));
    if (this.traceId === undefined) return;
    const matched = this.match ? { index: Number(route), match: this.match } : null;
    const attempts = answeringLast(this.attempts).map(told);
    decisions.record(this.traceId, {
      requestId,
      client,
      method,
      path,
      route: matched,
      routeName: this.routeName,
      pool: pool === "" ? null : pool,
      attempts,
      status,
      reason,
      tookMs: round(tookMs),
    });
  }

  #entry(endpoint: string | undefined, tookMs: number): AccessEntry {
    const { method, target, version, headers } = this.#downstream.head;
    const { requestId, client, status, reason, pool, bytesIn, bytesOut, firstByteMs } = this;
    return {
      atMs: Date.now(),
      requestId,
      client,
      method,
      target,
      version,
      host: valueOf(headers, "host") ?? "",
      status,
      reason,
      route: this.routeName,
      pool,
      endpoint,
      attempts: this.attempts.length,
      hedge: this.hedge,
      bytesIn,
      bytesOut,
      tookMs,
      firstByteMs,
      referer: valueOf(headers, "referer"),
      userAgent: valueOf(headers, "user-agent"),
    };
  }
}

function told({ choice, hedge, outcome, tookMs, connection, reused, connectMs, firstByteMs }: AttemptNote) {
  return {
    choice,
    hedge,
    outcome,
    tookMs: round(tookMs),
    connection,
    reused,
    connectMs: connectMs === null ? null : round(connectMs),
    firstByteMs: firstByteMs === null ? null : round(firstByteMs),
  };
}

/** As the tries ended: that which answered stands last, though one beside it may have begun later. */
function answeringLast(notes: readonly AttemptNote[]): readonly AttemptNote[] {
  return notes.toSorted((a, b) => Number(a.outcome === "OK") - Number(b.outcome === "OK"));
}

function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
