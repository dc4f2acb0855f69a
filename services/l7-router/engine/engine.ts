import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "#shared/core/clock.ts";
import type { TrafficError } from "#shared/core/error.ts";
import type { Framing, RawHead } from "#l7-router/head.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import type { ConnectionFacts, UpstreamConnection } from "#l7-router/upstream/connection.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { TlsFacts } from "#l7-router/listener/tls.ts";

/** Speaks HTTP/1.1 to clients and to servers, and decides nothing: that is forward.ts. What one engine does, every engine
 * does: test/contract/engine.test.ts. */
export interface Engine {
  readonly name: string;
  createAcceptor(options: AcceptorOptions): Acceptor;
  /** A connection that was just opened becomes one that carries requests. */
  adopt(facts: ConnectionFacts): UpstreamConnection;
}

/** What of the config a listener keeps to. */
export interface ListenerLimits {
  readonly headerBytes: number;
  readonly targetBytes: number;
  readonly headMs: number;
  readonly idleMs: number;
  /** Of TLS: at most so many are under way, and each takes at most so long. */
  readonly handshakes: number;
  readonly handshakeMs: number;
}

export interface AcceptorOptions {
  readonly limits: ListenerLimits;
  readonly clock: Clock;
  readonly wheel: Wheel;
  /** A request's head has come. Never throws.
   * @param last the connection ends after its answer
   * @returns who takes the request from here: `begin` it at once */
  serve(downstream: Downstream, last: boolean): DownstreamTaker;
  /** Bytes that were no request were answered so. */
  onRefused(refused: Refusal): void;
  /** From the moment on that this is true, every answer ends its connection. */
  isDraining(): boolean;
}

/** What is known of a client's connection once it is open. */
export interface ClientFacts {
  /** Address of the other end, without port. */
  readonly peer: string;
  /** Our "address:port" that the client has reached. */
  readonly local: string;
  /** What TLS says of the connection; undefined without. */
  readonly tls: TlsFacts | undefined;
  /** What its requests are answered: it is one too many. Undefined of nearly all. */
  readonly turnedAway: Refusal | undefined;
}

/** Speaks one version of HTTP on connections that a listener has accepted. */
export interface Acceptor {
  /** Of those that are still connections of HTTP. */
  readonly connectionCount: number;
  /** @param first bytes that have come already */
  accept(socket: Socket, facts: ClientFacts, first: Buffer | undefined): void;
  /** New limits count from the next connection, or the next head. */
  setLimits(limits: ListenerLimits): void;
  /** Ends connections without a request; the others end after their next answer, or after those under way. */
  end(): void;
  destroy(): void;
}

/** The client's side of one request. Nothing in here throws, and a command that comes too late does nothing. */
export interface Downstream extends ClientFacts {
  readonly head: RawHead;
  /** Every byte of the request has come. */
  readonly isWhole: boolean;
  /** Bytes of the final answer have gone out. */
  readonly headSent: boolean;
  /** The head is valid: this is how the body is framed. Said once, before the body is asked for.
   * @param upgrade it asks for a WebSocket: what comes behind it is no request */
  expectBody(framing: Framing, upgrade: boolean): void;
  /** The body flows, at first and after a pause. */
  resume(): void;
  pause(): void;
  /** A 1xx on its way to the final answer; 100 at most once, none for HTTP/1.0, few of the others. */
  inform(status: number, headers: HeaderList): void;
  /** A whole answer. */
  send(status: number, headers: HeaderList, body: string, close: boolean): void;
  /** The head of an answer whose body is written as it comes.
   * @param close the connection ends after it */
  begin(answer: AnswerHead, close: boolean): void;
  write(chunk: Buffer): void;
  end(trailers: HeaderList): void;
  /** What was written so far goes out.
   * @returns false: nothing more, please, until `onClientRoom` */
  flush(): boolean;
  /** Answers 101 and hands over the bare connection. */
  switchProtocols(headers: HeaderList): Duplex;
  /** Ends the connection so that nothing half-sent looks whole. */
  cut(): void;
}

/** Who takes what comes from a client, once its head has come. */
export interface DownstreamTaker {
  /** Its first word. */
  begin(): void;
  onBody(chunk: Buffer): void;
  onBodyEnd(trailers: HeaderList): void;
  /** What came so far should go out. */
  onBodyFlush(): void;
  /** What was written has gone out. */
  onClientRoom(): void;
  /** The client's kernel has the whole answer. */
  onTaken(): void;
  /** The client left before its answer was whole (CLIENT_GONE), or the rest of its request is invalid (RefusedError). */
  onClientError(error: TrafficError): void;
}

/** A request as it goes to a server: every byte of its head is decided. */
export interface UpstreamRequest {
  readonly method: string;
  readonly target: string;
  /** All lines, Host and framing included. */
  readonly headers: HeaderList;
  readonly framing: Framing;
  /** Expects a 101; another answer is an answer like any. */
  readonly upgrade: boolean;
}

/** How an answer's body is framed: "close" is until the connection ends. */
export type AnswerFraming = Framing | { readonly kind: "close" };

/** The head of a server's final answer. */
export interface AnswerHead {
  readonly status: number;
  readonly statusText: string;
  readonly headers: HeaderList;
  readonly framing: AnswerFraming;
}

/** Who takes what comes from a server: one for each request. */
export interface UpstreamTaker {
  /** A 1xx other than 101. */
  onInformation(status: number, headers: HeaderList): void;
  onAnswer(answer: AnswerHead): void;
  onAnswerBody(chunk: Buffer): void;
  /** The answer is whole. The last word on this request. */
  onAnswerEnd(trailers: HeaderList): void;
  /** What came so far should go out. */
  onAnswerFlush(): void;
  /** The server takes more of the request's body. */
  onServerRoom(): void;
  /** The server has switched protocols: the connection is the client's now. The last word on this request.
   * @param first bytes of the new protocol that came with the head */
  onUpgrade(headers: HeaderList, socket: Duplex, first: Buffer): void;
  /** UPSTREAM_RESET (retryable if not one byte came back) or UPSTREAM_INVALID. The last word on this request. */
  onServerError(error: TrafficError): void;
}
