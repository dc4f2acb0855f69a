import type { Clock, Timer } from "#shared/core/clock.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Engine, Exchange, UpstreamAnswer, UpstreamRequest, UpstreamUpgrade } from "#l7-router/engine/engine.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import type { UpstreamConnection } from "./connection.ts";
import type { Connections } from "./connections.ts";

/** What one try at one endpoint needs. */
export interface TryOptions {
  readonly engine: Engine;
  readonly connections: Connections;
  readonly clock: Clock;
  readonly request: UpstreamRequest;
  /** The request may go out a second time: idempotent, and nothing of a body was read. */
  readonly resendable: boolean;
  readonly connectMs: number;
  /** To the head of the answer. Does not run while it is the client that is waited for. */
  readonly answerMs: number;
  readonly signal: AbortSignal;
  readonly onInformation: (status: number, headers: HeaderList) => void;
}

/** A try that brought an answer's head. */
export interface TryResult {
  readonly answer: UpstreamAnswer | UpstreamUpgrade;
  readonly exchange: Exchange;
  readonly connection: UpstreamConnection;
  readonly reused: boolean;
  readonly connectMs: number;
  /** From the sent head to the answer's. */
  readonly firstByteMs: number;
}

/** Sends the request to one endpoint. A kept connection may have been closed by the server just now: if nothing came
 * back on it, a request that may be sent twice is sent once more on a new one.
 * @throws {TrafficError} */
export async function tryOnce(endpoint: Endpoint, options: TryOptions): Promise<TryResult> {
  const first = await tryOn(endpoint, options, options.request.upgrade);
  if (!("stale" in first)) return first;
  const second = await tryOn(endpoint, options, true);
  if ("stale" in second) throw second.stale;
  return second;
}

async function tryOn(
  endpoint: Endpoint,
  options: TryOptions,
  fresh: boolean,
): Promise<TryResult | { readonly stale: TrafficError }> {
  const { clock, connections, engine, request, signal } = options;
  const timeoutMs = Math.min(options.connectMs, options.answerMs);
  const connection = await connections.acquire(endpoint, { fresh, timeoutMs, signal });
  const reused = connection.uses > 1;
  const sentMs = clock.nowMs();
  const exchange = engine.exchange(connection, request, {
    onInformation: options.onInformation,
    onFree: () => connections.release(connection),
  });
  const stop = watch(exchange, options);
  try {
    const answer = await exchange.answer;
    const firstByteMs = clock.nowMs() - sentMs;
    endpoint.observeLatency(firstByteMs, clock.nowMs());
    return { answer, exchange, connection, reused, connectMs: reused ? 0 : connection.connectMs, firstByteMs };
  } catch (error) {
    const stale = reused && options.resendable && error instanceof TrafficError && error.reason === "UPSTREAM_RESET";
    if (stale && error.retryable && !signal.aborted) return { stale: error };
    throw error;
  } finally {
    stop();
  }
}

/** Ends the exchange when its time is over or nobody waits any more.
 * @returns how to stop watching */
function watch(exchange: Exchange, options: TryOptions): () => void {
  const { clock, signal, answerMs } = options;
  const { body } = options.request;
  let timer: Timer | undefined;
  const onLate = () => {
    const message = `no answer in ${Math.round(answerMs)} ms`;
    exchange.cancel(new TrafficError("TIMEOUT", message, { origin: "upstream", retryable: true }));
  };
  const onTurn = () => {
    timer?.cancel();
    timer = !body || body.waitsForServer ? clock.after(answerMs, onLate) : undefined;
  };
  const onAbort = () => exchange.cancel(signal.reason as Error);
  onTurn();
  body?.on("turn", onTurn);
  body?.once("error", (error) => exchange.cancel(error));
  if (body?.errored) exchange.cancel(body.errored);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  return () => {
    timer?.cancel();
    body?.off("turn", onTurn);
    signal.removeEventListener("abort", onAbort);
  };
}
