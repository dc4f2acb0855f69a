import type { Reason } from "#shared/core/error.ts";
import { TrafficError } from "#shared/core/error.ts";

/** The server did not answer in time. */
export function late(answerMs: number): TrafficError {
  const message = `no answer in ${Math.round(answerMs)} ms`;
  return new TrafficError("TIMEOUT", message, { origin: "upstream", retryable: true });
}

/** Within an answer one side did nothing for too long. */
export function stalled(who: "server" | "client"): TrafficError {
  return new TrafficError("IDLE", `the ${who} stood still within the answer`, {
    origin: who === "server" ? "upstream" : "downstream",
  });
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
