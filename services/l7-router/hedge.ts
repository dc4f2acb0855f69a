import type { Duplex } from "node:stream";
import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Attempts } from "#shared/endpoint/attempt.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { AnswerHead, UpstreamRequest, UpstreamTaker } from "./engine/engine.ts";
import { gatewayFailureOf, isSilentReset } from "./failures.ts";
import type { HeaderList } from "./headers.ts";
import type { RoutedPool } from "./snapshot.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";

/** Whose second try it is. */
export interface HedgeOwner {
  /** It has answered while the first has not: the first is to end. */
  onHedgeAnswer(): void;
  onHedgeError(error: unknown): void;
  /** It has become the only one, and was sent just now. */
  onHedgeSent(connection: UpstreamConnection): void;
}

export interface HedgeOptions {
  readonly attempts: Attempts;
  readonly endpoint: Endpoint;
  readonly request: UpstreamRequest;
  readonly routed: RoutedPool;
  readonly owner: HedgeOwner;
  /** Takes what its server says, once it is the only one. */
  readonly taker: UpstreamTaker;
  readonly connectMs: number;
  /** Monotonic: it must have answered by then. */
  readonly dueMs: number;
}

/** A second try beside a first that is slow: the same request at another endpoint. The first that answers is kept. It has no
 * body, so of the request there is nothing to carry but its head. */
export class Hedge implements UpstreamTaker {
  readonly attempts: Attempts;
  readonly endpoint: Endpoint;
  readonly dueMs: number;
  connection: UpstreamConnection | undefined;
  readonly opening = new AbortController();
  sentMs = 0;
  /** The first has ended: this one carries the request alone. */
  isAlone = false;
  readonly #options: HedgeOptions;
  readonly #owner: HedgeOwner;
  readonly #taker: UpstreamTaker;

  constructor(options: HedgeOptions) {
    this.attempts = options.attempts;
    this.endpoint = options.endpoint;
    this.dueMs = options.dueMs;
    this.#options = options;
    this.#owner = options.owner;
    this.#taker = options.taker;
  }

  begin(): void {
    this.endpoint.begin();
    const kept = this.#options.routed.connections.take(this.endpoint);
    if (kept) this.#send(kept);
    else this.#connect();
  }

  /** Another has answered, or nobody waits any more. Nothing is told. */
  end(error: TrafficError | undefined): void {
    this.opening.abort();
    this.connection?.cancel(this);
    this.connection = undefined;
    this.endpoint.end();
    if (error) this.attempts.failed(error);
  }

  #connect(): void {
    const { routed, connectMs } = this.#options;
    const { signal } = this.opening;
    routed.connections.connect(this.endpoint, connectMs, signal).then(
      (connection) => (signal.aborted ? connection.destroy() : this.#send(connection)),
      (error: unknown) => signal.aborted || this.#owner.onHedgeError(error),
    );
  }

  #send(connection: UpstreamConnection): void {
    this.connection = connection;
    this.sentMs = this.#options.routed.pool.clock.nowMs();
    connection.send(this.#options.request, this);
    connection.flush();
    if (this.isAlone) this.#owner.onHedgeSent(connection);
  }

  // What its server says.

  onInformation(status: number, headers: HeaderList): void {
    this.#taker.onInformation(status, headers); // Both may say 103: a client may be told more than once (RFC 8297 §2).
  }

  onAnswer(answer: AnswerHead): void {
    const failure = this.isAlone ? undefined : gatewayFailureOf(answer.status);
    if (failure !== undefined) return this.#failed(answeredBadly(answer.status, failure));
    if (!this.isAlone) this.#owner.onHedgeAnswer();
    this.#taker.onAnswer(answer);
  }

  /** The first may still do better. */
  #failed(error: TrafficError): void {
    this.connection?.cancel(this);
    this.connection = undefined;
    this.#owner.onHedgeError(error);
  }

  onAnswerBody(chunk: Buffer): void {
    this.#taker.onAnswerBody(chunk);
  }

  onAnswerFlush(): void {
    this.#taker.onAnswerFlush();
  }

  onAnswerEnd(trailers: HeaderList): void {
    this.#taker.onAnswerEnd(trailers);
  }

  onServerRoom(): void {}

  onUpgrade(headers: HeaderList, socket: Duplex, first: Buffer): void {
    this.#taker.onUpgrade(headers, socket, first);
  }

  onServerError(error: TrafficError): void {
    if (this.isAlone) return this.#taker.onServerError(error);
    const isStale = (this.connection?.uses ?? 0) > 1 && isSilentReset(error);
    this.connection = undefined;
    if (isStale) this.#connect();
    else this.#owner.onHedgeError(error);
  }
}

/** An answer that another try may better. */
export function answeredBadly(status: number, reason: Reason): TrafficError {
  return new TrafficError(reason, `answered ${status}`, { origin: "upstream", retryable: true });
}

/** Another try of the same request has answered first: nobody's fault. */
export function hedged(): TrafficError {
  return new TrafficError("HEDGED", "another endpoint answered first", { origin: "internal" });
}
