import type net from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { UpstreamRequest, UpstreamTaker } from "#l7-router/engine/engine.ts";
import type { HeaderList } from "#l7-router/headers.ts";

/** What is known of a connection to an endpoint when it was opened. */
export interface ConnectionFacts {
  /** Goes with the connection in its PROXY header (TLV unique id), so that a trace can follow it. */
  readonly id: string;
  readonly socket: net.Socket;
  readonly endpoint: Endpoint;
  /** Whose requests it carries: those of one bucket of users, where the endpoint is told the bucket. */
  readonly bucket: number | undefined;
  /** Our end: "address:port". */
  readonly local: string;
  /** Monotonic: from then on it takes no further request. */
  readonly expiresMs: number;
  /** How long the connect took. */
  readonly connectMs: number;
  /** Request and answer are over, and the server keeps the connection open. */
  readonly release: (connection: UpstreamConnection) => void;
}

/** One TCP connection to an endpoint, kept alive over requests, one at a time. */
export interface UpstreamConnection {
  readonly facts: ConnectionFacts;
  /** Requests sent on it, the present one included. */
  readonly uses: number;
  /** Open, and nothing came on it that no request has asked for. */
  readonly isUsable: boolean;
  /** Sends the head of a request. It goes out with `flush`. */
  send(request: UpstreamRequest, taker: UpstreamTaker): void;
  write(chunk: Buffer): void;
  end(trailers: HeaderList): void;
  /** What was written so far goes out.
   * @returns false: nothing more, please, until `onServerRoom` */
  flush(): boolean;
  /** The answer's body is not wanted for now. */
  pause(): void;
  resume(): void;
  /** Ends that taker's request, and the connection with it, unless both are through. Nothing is told any more. */
  cancel(taker: UpstreamTaker): void;
  destroy(): void;
}

export function localAddressOf(socket: net.Socket): string {
  return formatSocketAddress(socket.localAddress ?? "0.0.0.0", socket.localPort ?? 0);
}

/** @param silent not one byte of an answer came back */
export function lost(silent: boolean, cause?: unknown): TrafficError {
  const message = `the connection ended ${silent ? "before" : "within"} the answer`;
  return new TrafficError("UPSTREAM_RESET", message, { origin: "upstream", retryable: silent, cause });
}

export function invalidAnswer(message: string, cause?: unknown): TrafficError {
  return new TrafficError("UPSTREAM_INVALID", message, { origin: "upstream", cause });
}
