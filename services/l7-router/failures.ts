import type { Reason } from "#shared/core/error.ts";
import { TrafficError } from "#shared/core/error.ts";
import { valueOf } from "./headers.ts";
import type { HeaderList } from "./headers.ts";
import { RefusedError, refusal } from "./refusal.ts";

/** The server did not answer in time. */
export function late(answerMs: number): TrafficError {
  const message = `no answer in ${Math.round(answerMs)} ms`;
  return new TrafficError("TIMEOUT", message, { origin: "upstream", retryable: true });
}

/** Whose turn it is: the client's, within its body; the server's, before its answer and within it; the client's, to take it. */
export type Waiting = "body" | "answer" | "server" | "client";

/** How long a server may say nothing within its answer: events may be far apart. */
export function silenceMsMax(
  headers: HeaderList,
  { idleMs, bodyMs }: { readonly idleMs: number; readonly bodyMs: number },
): number {
  return valueOf(headers, "content-type")?.startsWith("text/event-stream") ? idleMs : bodyMs;
}

/** Somebody did nothing for too long: the client within its body, or either side within the answer. */
export function overdue(who: Exclude<Waiting, "answer">): TrafficError {
  if (who === "body") return new RefusedError(refusal(408, "TIMEOUT", "the body came too slowly"));
  return new TrafficError("IDLE", `the ${who} stood still within the answer`, {
    origin: who === "server" ? "upstream" : "downstream",
  });
}

/** The connection ended before one byte of an answer. */
export function isSilentReset(error: unknown): boolean {
  return error instanceof TrafficError && error.reason === "UPSTREAM_RESET" && error.retryable;
}

export function clientGone(): TrafficError {
  return new TrafficError("CLIENT_GONE", "the client left before its answer was whole", { origin: "downstream" });
}

// What a gateway says that could not reach what is behind it: counts against the endpoint, unlike a server's own 500.
const gatewayFailures: ReadonlySet<number> = new Set([502, 503, 504]);

/** Why an answer counts against its endpoint, if it does. */
export function gatewayFailureOf(status: number): Reason | undefined {
  return gatewayFailures.has(status) ? "UNHEALTHY" : undefined;
}
