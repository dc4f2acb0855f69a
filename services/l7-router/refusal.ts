import { TrafficError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";

/** Why the router itself answers a request, and with which status. */
export interface Refusal {
  readonly status: number;
  readonly reason: Reason;
  /** One line for people. Says nothing of the inside of the network. */
  readonly message: string;
  /** Further header lines of the reply: name, value ... */
  readonly headers?: readonly string[];
  /** A body of its own, sent with `headers` and nothing about it beside them. */
  readonly body?: string;
  /** What answers in place of a route. Such answers are not counted among those that stand for a server's. */
  readonly kind?: "health" | "options";
  /** The connection ends after it: its client is not wanted. */
  readonly ends?: boolean;
}

export function refusal(status: number, reason: Reason, message: string, headers?: readonly string[]): Refusal {
  return headers ? { status, reason, message, headers } : { status, reason, message };
}

/** A refusal that is found out while a body is read: thrown through streams, answered at the end of the pipeline. */
export class RefusedError extends TrafficError {
  readonly refusal: Refusal;

  constructor(refused: Refusal) {
    super(refused.reason, refused.message, { origin: "downstream" });
    this.refusal = refused;
  }
}

const retryAfterSeconds = "1"; // one health interval of a quick config: sooner is of no use

/** The reply to a failure on the way to a server. */
export function refusalOf(error: unknown): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (!(error instanceof TrafficError)) return refusal(500, "UPSTREAM_INVALID", "the router failed");
  switch (error.reason) {
    case "NO_HEALTHY":
    case "NO_ENDPOINT":
      return refusal(503, error.reason, "no server can take this request", ["Retry-After", retryAfterSeconds]);
    case "CONNECT_TIMEOUT":
      return refusal(504, error.reason, "no server answered the connect in time");
    case "TIMEOUT":
      return refusal(504, error.reason, "no server answered in time");
    case "CONNECT_FAILED":
      return refusal(502, error.reason, "no server could be reached");
    case "UPSTREAM_INVALID":
      return refusal(502, error.reason, "the server's answer was not valid HTTP");
    default:
      return refusal(502, error.reason, "the server ended the connection without an answer");
  }
}
