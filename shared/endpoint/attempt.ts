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

export interface AttemptRequest<T> {
  /** 32 bits, for ip-hash. */
  readonly hash: number;
  readonly balance?: BalanceName | undefined;
  /** Counts the first. Never more than `attemptsCap`. */
  readonly attemptsMax: number;
  /** Asked only about errors that are retryable in themselves: is this request safe to send again? */
  mayRetry(error: TrafficError): boolean;
  readonly budget?: RetryBudget | undefined;
  /** Called before the endpoint is tried: the moment to describe the choice for a trace. */
  onChoice?(choice: PoolChoice, tried: readonly Endpoint[]): void;
  onAttempt?(record: AttemptRecord): void;
  /** Why an answer counts against its endpoint although it is an answer, such as a 503. Default: it never does. */
  failureOf?(result: T): Reason | undefined;
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
  request: AttemptRequest<T>,
  tryEndpoint: (endpoint: Endpoint, info: AttemptInfo) => Promise<T>,
): Promise<T> {
  const attemptsMax = Math.min(request.attemptsMax, attemptsCap);
  const tried: Endpoint[] = [];
  let failure: TrafficError | undefined;
  request.budget?.request();
  for (let number = 1; ; number++) {
    const startedMs = pool.clock.nowMs();
    const choice = pool.choose({ hash: request.hash, tried, balance: request.balance });
    if (failure && !choice.endpoint) throw failure; // Who was left when the last attempt began is gone.
    request.onChoice?.(choice, tried);
    const { endpoint } = choice;
    const note = (outcome: Reason) =>
      request.onAttempt?.({ choice, outcome, startedMs, tookMs: pool.clock.nowMs() - startedMs });
    if (!endpoint) {
      note(choice.reason);
      throw nobody(pool, choice.reason);
    }
    tried.push(endpoint);
    const last = number >= attemptsMax || !pool.canRetry(tried);
    try {
      const result = await tryEndpoint(endpoint, { number, last });
      judge(pool, endpoint, request.failureOf?.(result));
      note("OK");
      return result;
    } catch (error) {
      if (!(error instanceof TrafficError)) throw error;
      pool.countAttempt(endpoint, error.reason);
      if (error.origin === "upstream") endpoint.failed(pool.clock.nowMs(), error.reason);
      note(error.reason);
      if (last || !goesOn(request, error)) throw error;
      failure = error;
    }
  }
}

function judge(pool: Pool, endpoint: Endpoint, failure: Reason | undefined): void {
  pool.countAttempt(endpoint, failure ?? "OK");
  const nowMs = pool.clock.nowMs();
  if (failure === undefined) endpoint.succeeded(nowMs);
  else endpoint.failed(nowMs, failure);
}

function goesOn<T>(request: AttemptRequest<T>, error: TrafficError): boolean {
  if (request.signal?.aborted || !error.retryable || !request.mayRetry(error)) return false;
  return freeReasons.has(error.reason) || (request.budget?.withdraw() ?? true);
}

function nobody(pool: Pool, reason: Reason): TrafficError {
  const why = reason === "NO_ENDPOINT" ? "has no endpoint" : "has no endpoint that is up";
  return new TrafficError(reason, `pool ${pool.name} ${why}`, { origin: "upstream" });
}
