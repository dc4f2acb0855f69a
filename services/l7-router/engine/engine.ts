import type { Duplex, Readable } from "node:stream";
import type { HeaderList } from "#l7-router/headers.ts";
import type { RequestBody } from "#l7-router/request-body.ts";
import type { UpstreamConnection } from "#l7-router/upstream/connection.ts";

/** A request as it goes to a server: every byte of its head is decided. */
export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  /** All lines, Host and framing included. */
  readonly headers: HeaderList;
  /** Undefined for none. */
  readonly body: RequestBody | undefined;
  /** Trailer lines that go out after a chunked body; asked once the body has ended. */
  readonly trailers: () => HeaderList;
  /** Expects a 101; another answer is an answer like any. */
  readonly upgrade: boolean;
}

/** The head of a server's final answer, and its body as it comes. */
export interface UpstreamAnswer {
  readonly kind: "answer";
  readonly status: number;
  readonly statusText: string;
  readonly version: string;
  readonly headers: HeaderList;
  /** Ends when the body is whole; is destroyed with an error when it is cut. */
  readonly body: Readable;
  /** Trailer lines, once the body has ended. */
  readonly trailers: () => HeaderList;
}

/** The server has switched protocols: the connection is the client's now. */
export interface UpstreamUpgrade {
  readonly kind: "upgrade";
  readonly headers: HeaderList;
  readonly socket: Duplex;
  /** Bytes of the new protocol that came with the head. */
  readonly first: Buffer;
}

export interface UpstreamEvents {
  /** A 1xx other than 101. */
  onInformation(status: number, headers: HeaderList): void;
  /** Answer and request are over and the server keeps the connection open. Not called when the connection ends. */
  onFree(): void;
}

/** One request on one connection. */
export interface Exchange {
  /** Rejects with a TrafficError: UPSTREAM_RESET (retryable if not one byte came back), UPSTREAM_INVALID, or what
   * `cancel` was given. */
  readonly answer: Promise<UpstreamAnswer | UpstreamUpgrade>;
  /** Ends it: the answer rejects with `error`, and the connection is destroyed with a body under way, unless request and
   * answer were through and it has become free. */
  cancel(error: Error): void;
}

/** Speaks HTTP/1.1 to servers. What one engine does, every engine does: test/contract/engine.test.ts. */
export interface Engine {
  readonly name: string;
  /** Sends a request on an open connection that is used for nothing else. Never throws. */
  exchange(connection: UpstreamConnection, request: UpstreamRequest, events: UpstreamEvents): Exchange;
}
