import type { BalanceName } from "#shared/config/schema/common.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Pool, PoolChoice } from "./pool.ts";
import type { RetryBudget } from "./retry-budget.ts";

export { RetryBudget } from "./retry-budget.ts";

/** One attempt, as it went. Moments are monotonic. */
export interface AttemptRecord {
  readonly choice: PoolChoice;
  /** `OK`, or why it failed; the choice's own reason when there was nobody to try. */
  readonly outcome: Reason;
  readonly startedMs: number;
  readonly tookMs: number;
}

export interface AttemptRequest {
  /** 32 bits, for ip-hash. */
  readonly hash: number;
  readonly balance?: BalanceName | undefined;
  /** Bucket of a user who stays where he is, see `ChooseRequest`. */
  readonly affinity?: number | undefined;
  /** Counts the first. Never more than `attemptsCap`. */
  readonly attemptsMax: number;
  /** Asked only about errors that are retryable in themselves: is this request safe to send again? */
  mayRetry(error: TrafficError): boolean;
  readonly budget?: RetryBudget | undefined;
  /** Called before the endpoint is tried: the moment to describe the choice for a trace.
   * @param beside another attempt is still under way */
  onChoice?(choice: PoolChoice, tried: readonly Endpoint[], beside: boolean): void;
  /** A result says nothing of the endpoint yet: whoever has it tells `succeeded` or `failed` himself. */
  readonly judgedLater?: boolean;
  onAttempt?(record: AttemptRecord): void;
  /** Nobody waits any more: no further attempt. */
  readonly signal?: AbortSignal | undefined;
}

export interface AttemptInfo {
  /** 1 for the first. */
  readonly number: number;
  /** No further attempt follows, whatever happens: take all the time that is left. */
  readonly last: boolean;
}

/** Of one request or connection. Each attempt looks at every endpoint and compares it with those tried before, so n of them in
 * a pool of n would cost n³. If half of a pool refuses, one request in 65,536 fails for this bound. */
export const attemptsCap = 16;

// Known to have reached no server: a retry adds no load to a pool that is in trouble.
const freeReasons: ReadonlySet<Reason> = new Set(["CONNECT_FAILED", "CONNECT_TIMEOUT", "UPSTREAM_RESET"]);

/** Tries endpoints of the pool, one after the other, until one works.
 *
 * Tells each endpoint how real traffic went (outlier) and counts the attempt. It does not call `begin()` and `end()`: a
 * request or connection lives longer than the attempt that opened it, so the service counts it.
 * @throws {TrafficError} that of the last attempt, or NO_HEALTHY or NO_ENDPOINT when there is nobody to try; any other
 * error of `tryEndpoint` is a programmer error and passes through at once */
export async function attempt<T>(
  pool: Pool,
  request: AttemptRequest & { failureOf?(result: T): Reason | undefined },
  tryEndpoint: (endpoint: Endpoint, info: AttemptInfo) => Promise<T>,
): Promise<T> {
  const attempts = new Attempts(pool, request);
  for (;;) {
    const endpoint = attempts.next();
    try {
      const { number, last } = attempts;
      const result = await tryEndpoint(endpoint, { number, last });
      attempts.succeeded(request.failureOf?.(result));
      return result;
    } catch (error) {
      if (!(error instanceof TrafficError)) throw error;
      if (!attempts.failed(error)) throw error;
    }
  }
}

/** The same, step by step, for whoever does not wait in promises: `next`, then `succeeded` or `failed`, and so on. */
export class Attempts {
  readonly #pool: Pool;
  readonly #request: AttemptRequest;
  readonly #attemptsMax: number;
  readonly #tried: Endpoint[];
  #isBeside = false;
  #choice: PoolChoice | undefined;
  #failure: TrafficError | undefined;
  #startedMs = 0;
  /** 1 for the first. */
  number = 0;
  /** No further attempt follows the present one, whatever happens. */
  last = false;

  constructor(pool: Pool, request: AttemptRequest, tried: Endpoint[] = []) {
    this.#pool = pool;
    this.#request = request;
    this.#tried = tried;
    this.#attemptsMax = Math.min(request.attemptsMax, attemptsCap);
    if (tried.length === 0) request.budget?.request();
  }

  /** A further attempt beside the present one, which goes on. It is one of those that the request may make, and costs
   * budget as a retry does. Whichever ends first goes on with `next`, the other must have ended by then.
   * @returns it with its endpoint, or why it may not be made */
  beside(): { readonly attempts: Attempts; readonly endpoint: Endpoint } | "none left" | "no budget" {
    if (this.last || !this.#pool.canRetry(this.#tried)) return "none left";
    if (!(this.#request.budget?.withdraw() ?? true)) return "no budget";
    const attempts = new Attempts(this.#pool, this.#request, this.#tried);
    attempts.number = this.number;
    attempts.#isBeside = true;
    const endpoint = attempts.next();
    attempts.#isBeside = false;
    this.number = attempts.number;
    this.last = attempts.last;
    return { attempts, endpoint };
  }

  /** The endpoint to try now.
   * @throws {TrafficError} that of the attempt before, or NO_HEALTHY or NO_ENDPOINT, when there is nobody to try */
  next(): Endpoint {
    const pool = this.#pool;
    const request = this.#request;
    this.number++;
    this.#startedMs = pool.clock.nowMs();
    const { hash, balance, affinity } = request;
    const elsewhere = this.number >= this.#attemptsMax || (this.#failure && !isConnect(this.#failure));
    const choice = pool.choose({ hash, tried: this.#tried, balance, affinity, elsewhere });
    const { endpoint } = choice;
    if (this.#failure && !endpoint) throw this.#failure; // Who was left when the last attempt began is gone.
    this.#choice = choice;
    request.onChoice?.(choice, this.#tried, this.#isBeside);
    if (!endpoint) {
      this.#note(choice.reason);
      throw nobody(pool, choice.reason);
    }
    this.#tried.push(endpoint);
    this.last = this.number >= this.#attemptsMax || !pool.canRetry(this.#tried);
    return endpoint;
  }

  /** It worked.
   * @param failure why it counts against its endpoint although it worked, such as an answer of 503 */
  succeeded(failure: Reason | undefined): void {
    const endpoint = this.#choice?.endpoint;
    if (!endpoint) return;
    this.#pool.countAttempt(endpoint, failure ?? "OK");
    const nowMs = this.#pool.clock.nowMs();
    if (failure !== undefined) endpoint.failed(nowMs, failure);
    else if (!this.#request.judgedLater) endpoint.succeeded(nowMs);
    this.#note("OK");
  }

  /** @returns whether a further attempt may be made */
  failed(error: TrafficError): boolean {
    const endpoint = this.#choice?.endpoint;
    if (!endpoint) return false;
    this.#pool.countAttempt(endpoint, error.reason);
    if (error.origin === "upstream") endpoint.failed(this.#pool.clock.nowMs(), error.reason);
    this.#note(error.reason);
    this.#failure = error;
    return !this.last && goesOn(this.#request, error);
  }

  #note(outcome: Reason): void {
    if (!this.#request.onAttempt || !this.#choice) return;
    const startedMs = this.#startedMs;
    const tookMs = this.#pool.clock.nowMs() - startedMs;
    this.#request.onAttempt({ choice: this.#choice, outcome, startedMs, tookMs });
  }
}

function isConnect({ reason }: TrafficError): boolean {
  return reason === "CONNECT_FAILED" || reason === "CONNECT_TIMEOUT";
}

function goesOn(request: AttemptRequest, error: TrafficError): boolean {
  if (request.signal?.aborted || !error.retryable || !request.mayRetry(error)) return false;
  return freeReasons.has(error.reason) || (request.budget?.withdraw() ?? true);
}

function nobody(pool: Pool, reason: Reason): TrafficError {
  const why = reason === "NO_ENDPOINT" ? "has no endpoint" : "has no endpoint that is up";
  return new TrafficError(reason, `pool ${pool.name} ${why}`, { origin: "upstream" });
}
