import type { Timer } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { Attempts } from "#shared/endpoint/attempt.ts";
import type { AttemptRecord, AttemptRequest, RetryBudget } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { PoolChoice } from "#shared/endpoint/pool.ts";
import type { Admitted } from "./admit.ts";
import type { UpstreamRequest, UpstreamTaker } from "./engine/engine.ts";
import type { Passage } from "./passage.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";

const idempotent: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE"]); // RFC 9110 §9.2.2

/** Whose tries these are. */
export interface TriesOwner extends UpstreamTaker {
  /** Send the request on this one. */
  onConnection(connection: UpstreamConnection, request: UpstreamRequest): void;
  /** No server answered. */
  onFailure(error: unknown): void;
}

export interface TriesOptions {
  readonly request: UpstreamRequest;
  readonly admitted: Pick<Admitted, "routed" | "affinity">;
  readonly site: Site;
  readonly passage: Passage;
  readonly owner: TriesOwner;
}

/** The tries of one request: an endpoint, a connection to it, and, if that fails, whether to try another. */
export class Tries implements AttemptRequest {
  readonly #request: UpstreamRequest;
  readonly #routed: RoutedPool;
  readonly #site: Site;
  readonly #passage: Passage;
  readonly #owner: TriesOwner;
  readonly #attempts: Attempts;
  readonly #deadlineMs: number;
  readonly #isResendable: boolean;
  #delay: Timer | undefined;
  #opening: AbortController | undefined;
  #sentMs = 0;
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
    this.#routed = routed;
    this.#site = site;
    this.#passage = passage;
    this.#owner = owner;
    // It may go out a second time: idempotent, and nothing of a body was read.
    this.#isResendable = request.framing.kind === "none" && idempotent.has(request.method);
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
    const { pool, connections } = this.#routed;
    const endpoint = this.#attempts.next();
    endpoint.begin();
    this.endpoint = endpoint;
    const leftMs = Math.max(1, this.#deadlineMs - this.#site.host.clock.nowMs());
    const { perTryTimeoutMs } = pool.config.retries;
    this.answerMs = this.#isResendable && !this.#attempts.last ? Math.min(perTryTimeoutMs, leftMs) : leftMs;
    const kept = this.#request.upgrade ? undefined : connections.take(endpoint, this.affinity);
    if (kept) this.#use(kept);
    else this.#connect(endpoint);
  }

  #connect(endpoint: Endpoint): void {
    const opening = new AbortController();
    this.#opening = opening;
    const timeoutMs = Math.min(this.#site.snapshot.config.timeouts.connectMs, this.answerMs);
    this.#routed.connections.connect(endpoint, timeoutMs, opening.signal, this.affinity).then(
      (connection) => (opening.signal.aborted ? connection.destroy() : this.#use(connection)),
      (error: unknown) => opening.signal.aborted || this.failed(error),
    );
  }

  #use(connection: UpstreamConnection): void {
    this.#opening = undefined;
    this.connection = connection;
    this.#sentMs = this.#site.host.clock.nowMs();
    this.#owner.onConnection(connection, this.#request);
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
    if (!(error instanceof TrafficError) || !this.#attempts.failed(error)) return this.#owner.onFailure(error);
    try {
      this.next();
    } catch (thrown) {
      this.#owner.onFailure(thrown);
    }
  }

  /** The head of an answer has come.
   * @param failure why it counts against its endpoint nevertheless */
  answered(failure: Reason | undefined): void {
    const nowMs = this.#site.host.clock.nowMs();
    this.endpoint?.observeLatency(nowMs - this.#sentMs, nowMs);
    this.#attempts.succeeded(failure);
  }

  /** The connection no longer carries this request. */
  release(): void {
    this.connection = undefined;
  }

  /** Nobody waits for an answer any more, or for the rest of it.
   * @param error why, if there was no answer yet */
  cancel(error: TrafficError | undefined): void {
    this.#delay?.cancel();
    this.#opening?.abort();
    this.connection?.cancel(this.#owner);
    this.connection = undefined;
    if (this.endpoint && error) this.#attempts.failed(error);
  }

  /** A connect that failed has sent nothing, whatever the method. */
  mayRetry({ reason }: TrafficError): boolean {
    return this.#isResendable || reason === "CONNECT_FAILED" || reason === "CONNECT_TIMEOUT";
  }

  onChoice(choice: PoolChoice, tried: readonly Endpoint[]): void {
    const isTraced = this.#passage.traceId !== undefined;
    this.#passage.chose(
      isTraced
        ? this.#routed.pool.describe(choice, tried, this.affinity === undefined ? undefined : "ip-hash")
        : undefined,
    );
  }

  onAttempt({ outcome, tookMs }: AttemptRecord): void {
    const connection = outcome === "OK" ? this.connection : undefined;
    this.#passage.ended(outcome, tookMs, connection, this.#site.host.clock.nowMs() - this.#sentMs);
  }
}

function isSilentReset(error: unknown): boolean {
  return error instanceof TrafficError && error.reason === "UPSTREAM_RESET" && error.retryable;
}
