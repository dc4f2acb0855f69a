import type { Timer } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { Attempts } from "#shared/endpoint/attempt.ts";
import type { AttemptRecord, AttemptRequest, RetryBudget } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { PoolChoice } from "#shared/endpoint/pool.ts";
import type { UpstreamRequest, UpstreamTaker } from "./engine/engine.ts";
import { gatewayFailureOf, isSilentReset, late } from "./failures.ts";
import { Hedge, answeredBadly, hedged } from "./hedge.ts";
import type { HedgeOwner } from "./hedge.ts";
import type { HedgeResult, Passage } from "./passage.ts";
import type { TriesOptions, TriesOwner } from "./tries-options.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";
import { notHedged } from "./upstream/hedging.ts";
import type { Hedging } from "./upstream/hedging.ts";

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]); // RFC 9110 §9.2.2

/** The tries of one request: an endpoint, a connection to it, and, if that fails, whether to try another. */
export class Tries implements AttemptRequest, HedgeOwner {
  readonly #request: UpstreamRequest;
  readonly #routed: RoutedPool;
  readonly #site: Site;
  readonly #passage: Passage;
  readonly #owner: TriesOwner;
  #attempts: Attempts;
  readonly #deadlineMs: number;
  readonly #isResendable: boolean;
  #delay: Timer | undefined;
  #opening: AbortController | undefined;
  #sentMs = 0;
  /** The request as the present try sends it. */
  #sending: UpstreamRequest;
  /** Whom the server that has the request talks to. */
  #taker: UpstreamTaker;
  /** Undefined where the request is never tried twice at a time. */
  readonly #hedging: Hedging | undefined;
  #hedgeTimer: Timer | undefined;
  /** A second try beside this one. */
  #hedge: Hedge | undefined;
  /** Tried now, or answering; counted as active there. */
  endpoint: Endpoint | undefined;
  /** Carries the request now. */
  connection: UpstreamConnection | undefined;
  /** How long the present try may take to the head of the answer. */
  answerMs = 0;
  /** For ip-hash. */
  readonly hash: number;
  readonly affinity: number | undefined;
  readonly attemptsMax: number;
  readonly budget: RetryBudget | undefined;

  constructor({ request, admitted, site, passage, owner }: TriesOptions) {
    const { routed, affinity } = admitted;
    const { pool, budget } = routed;
    this.#request = request;
    this.#sending = request;
    this.#routed = routed;
    this.#site = site;
    this.#passage = passage;
    this.#owner = owner;
    this.#taker = owner;
    // It may go out a second time: idempotent, and nothing of a body was read.
    this.#isResendable = request.framing.kind === "none" && idempotent.has(request.method);
    this.#hedging = notHedged(request) === undefined ? routed.hedging : undefined;
    this.hash = pool.balance === "ip-hash" ? hash32(passage.client) : 0;
    this.affinity = affinity?.bucket;
    this.attemptsMax = pool.config.retries.attempts;
    this.budget = budget;
    this.#deadlineMs = site.host.clock.nowMs() + site.snapshot.config.timeouts.requestMs;
    this.#attempts = new Attempts(pool, this);
  }

  /** The first try.
   * @param delayMs before it, for a drill
   * @throws {TrafficError} as `next`, if there is no delay */
  begin(delayMs: number): void {
    if (delayMs === 0) return this.next();
    this.#delay = this.#site.host.clock.after(delayMs, () => {
      try {
        this.next();
      } catch (thrown) {
        this.#owner.onFailure(thrown);
      }
    });
  }

  /** @throws {TrafficError} NO_HEALTHY or NO_ENDPOINT, or that of the try before if nobody is left */
  next(): void {
    const { connections } = this.#routed;
    const endpoint = this.#attempts.next();
    this.#sending = this.#passage.traced(this.#request);
    endpoint.begin();
    this.endpoint = endpoint;
    this.answerMs = this.#mayTakeMs(this.#attempts.last);
    if (this.#attempts.number === 1) this.#armHedge();
    const kept = this.#request.upgrade ? undefined : connections.take(endpoint, this.affinity);
    if (kept) this.#use(kept);
    else this.#connect(endpoint);
  }

  /** @param isLast no other try follows: then all the time that is left */
  #mayTakeMs(isLast: boolean): number {
    const leftMs = Math.max(1, this.#deadlineMs - this.#site.host.clock.nowMs());
    const { perTryTimeoutMs } = this.#routed.pool.config.retries;
    return this.#isResendable && !isLast ? Math.min(perTryTimeoutMs, leftMs) : leftMs;
  }

  #connect(endpoint: Endpoint): void {
    const opening = new AbortController();
    this.#opening = opening;
    this.#routed.connections.connect(endpoint, this.#connectMs, opening.signal, this.affinity).then(
      (connection) => (opening.signal.aborted ? connection.destroy() : this.#use(connection)),
      (error: unknown) => opening.signal.aborted || this.failed(error),
    );
  }

  get #connectMs(): number {
    return Math.min(this.#site.snapshot.config.timeouts.connectMs, this.answerMs);
  }

  #use(connection: UpstreamConnection): void {
    this.#opening = undefined;
    this.connection = connection;
    this.#taker = this.#owner;
    this.#sentMs = this.#site.host.clock.nowMs();
    this.#owner.onConnection(connection, this.#sending);
  }

  /** Another endpoint if that is safe, else the owner is told. A kept connection may have been closed by the server just
   * now: a request that may be sent twice is sent once more on a new one, before that counts as a try. */
  failed(error: unknown): void {
    const isReused = (this.connection?.uses ?? 0) > 1;
    this.connection = undefined;
    const { endpoint } = this;
    if (isReused && endpoint && this.#isResendable && isSilentReset(error)) return this.#connect(endpoint);
    endpoint?.end();
    this.endpoint = undefined;
    const mayGoOn = error instanceof TrafficError && this.#attempts.failed(error);
    if (this.#hedge && error instanceof TrafficError) return this.#goOnWith(this.#hedge);
    if (!mayGoOn) return this.#owner.onFailure(error);
    try {
      this.next();
    } catch (thrown) {
      this.#owner.onFailure(thrown);
    }
  }

  /** The server has not answered in its time. */
  overdue(): void {
    this.abandon();
    this.failed(late(this.answerMs));
  }

  /** The server need not go on: its connection ends. */
  abandon(): void {
    this.connection?.cancel(this.#taker);
  }

  // A second try beside the first.

  #armHedge(): void {
    const afterMs = this.#hedging?.afterMs();
    if (afterMs === undefined) return;
    this.#hedgeTimer = this.#site.host.clock.after(afterMs, () => this.#startHedge());
  }

  #startHedge(): void {
    if (!this.endpoint) return;
    const beside = this.#attempts.beside();
    if (typeof beside === "string") return this.#countHedge(beside);
    this.#hedge = new Hedge({
      ...beside,
      request: this.#passage.traced(this.#request),
      routed: this.#routed,
      owner: this,
      taker: this.#owner,
      connectMs: this.#connectMs,
      dueMs: this.#site.host.clock.nowMs() + this.#mayTakeMs(beside.attempts.last),
    });
    this.#hedge.begin();
  }

  #countHedge(result: HedgeResult): void {
    this.#passage.hedge = result;
    this.#site.host.metrics.count("watershed_http_hedges_total", { pool: this.#routed.pool.name, result });
  }

  onHedgeAnswer(): void {
    const hedge = this.#hedge;
    if (!hedge) return;
    this.#countHedge("won");
    this.#opening?.abort();
    this.abandon();
    this.#observe(); // It took longer than this.
    this.connection = undefined;
    this.endpoint?.end();
    this.#attempts.failed(hedged());
    this.#adopt(hedge);
  }

  onHedgeError(error: unknown): void {
    const hedge = this.#hedge;
    if (!hedge) return this.failed(error);
    this.#hedge = undefined;
    this.#countHedge("failed");
    hedge.end(error instanceof TrafficError ? error : undefined);
    if (!(error instanceof TrafficError)) return this.#owner.onFailure(error);
    this.answerMs = this.#mayTakeMs(this.#attempts.last);
    if (this.connection) this.#owner.awaitTurn();
  }

  onHedgeSent(connection: UpstreamConnection): void {
    this.connection = connection;
    this.#sentMs = this.#site.host.clock.nowMs();
    this.#owner.awaitTurn();
  }

  /** The first try has failed. */
  #goOnWith(hedge: Hedge): void {
    this.#countHedge("alone");
    this.#adopt(hedge);
    if (hedge.connection) this.#owner.awaitTurn();
  }

  #adopt(hedge: Hedge): void {
    this.#hedge = undefined;
    hedge.isAlone = true;
    this.#attempts = hedge.attempts;
    this.#opening = hedge.opening;
    this.#taker = hedge;
    this.#sentMs = hedge.sentMs;
    this.endpoint = hedge.endpoint;
    this.connection = hedge.connection;
    this.answerMs = Math.max(1, hedge.dueMs - this.#site.host.clock.nowMs());
  }

  /** Whether this answer gives way to that of another server, which is asked already. */
  yields(status: number): boolean {
    const failure = this.#hedge && gatewayFailureOf(status);
    if (failure === undefined) return false;
    this.abandon();
    this.failed(answeredBadly(status, failure));
    return true;
  }

  // How it ends.

  /** The head of an answer has come.
   * @param failure why it counts against its endpoint nevertheless */
  answered(failure: Reason | undefined): void {
    this.#hedgeTimer?.cancel();
    if (this.#hedge) this.#countHedge("lost");
    this.#hedge?.end(hedged());
    this.#hedge = undefined;
    this.#observe();
    this.#attempts.succeeded(failure);
  }

  #observe(): void {
    const nowMs = this.#site.host.clock.nowMs();
    this.endpoint?.observeLatency(nowMs - this.#sentMs, nowMs);
    this.#hedging?.observe(nowMs - this.#sentMs);
  }

  /** The connection no longer carries this request. */
  release(): void {
    this.connection = undefined;
  }

  /** Nobody waits for an answer any more, or for the rest of it.
   * @param error why, if there was no answer yet */
  cancel(error: TrafficError | undefined): void {
    this.#delay?.cancel();
    this.#hedgeTimer?.cancel();
    this.#hedge?.end(error);
    this.#hedge = undefined;
    this.#opening?.abort();
    this.abandon();
    this.connection = undefined;
    if (this.endpoint && error) this.#attempts.failed(error);
  }

  /** A connect that failed has sent nothing, whatever the method. */
  mayRetry({ reason }: TrafficError): boolean {
    return this.#isResendable || reason === "CONNECT_FAILED" || reason === "CONNECT_TIMEOUT";
  }

  onChoice(choice: PoolChoice, tried: readonly Endpoint[], beside: boolean): void {
    const { pool } = this.#routed;
    const isTraced = this.#passage.traceId !== undefined;
    const balance = this.affinity === undefined ? undefined : "ip-hash";
    this.#passage.chose(choice, isTraced ? pool.describe(choice, tried, balance) : undefined, beside);
  }

  onAttempt(record: AttemptRecord): void {
    const connection = record.outcome === "OK" ? this.connection : undefined;
    this.#passage.ended(record, connection, this.#site.host.clock.nowMs() - this.#sentMs);
  }
}
