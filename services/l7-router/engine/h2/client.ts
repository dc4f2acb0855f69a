import { constants, performServerHandshake } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "#shared/core/clock.ts";
import { refill } from "#shared/core/token-bucket.ts";
import type { TokenBucket } from "#shared/core/token-bucket.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { headerLinesMax } from "#l7-router/head.ts";
import { refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import { reply } from "#l7-router/reply.ts";
import { Deadline } from "#l7-router/wheel.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { ClientFacts, Downstream, DownstreamTaker, ListenerLimits } from "../engine.ts";
import { Http2Downstream } from "./downstream.ts";
import type { StreamOwner } from "./downstream.ts";

/** What a connection needs of its listener. */
export interface Http2Owner {
  readonly wheel: Wheel;
  readonly clock: Clock;
  readonly limits: ListenerLimits;
  isDraining(): boolean;
  serve(downstream: Downstream): DownstreamTaker;
  onRefused(refused: Refusal): void;
  onClosed(client: Http2Client): void;
}

export const streamsMax = 100; // requests at once on one connection: what RFC 9113 §6.5.2 asks for at least
const heldBytesMax = 1_048_576; // of all answers of one connection together, so that they take turns
const streamHeldBytesMin = 16_384; // one frame
const resetBurst = 200; // a browser that leaves a page with every request under way, twice
const resetsPerSecond = 33; // as nghttp2 itself, which then ends the connection (CVE-2023-44487)
const invalidFramesMax = 100; // such as empty DATA (CVE-2019-9518); none comes from a working client
const controlBurst = 64; // PING and SETTINGS: clients measure the way and renew their windows
const controlsPerSecond = 10;
const sessionMegabytesMax = 10; // as node:http2 itself: heads, frames and bytes that wait, of all streams
const lingerMs = 5_000; // as nginx' lingering_timeout
const tooLarge = refusal(431, "HEADERS_TOO_LARGE", "the head is too large");
const floodError = new Error("too many PING or SETTINGS frames");

/** One connection of a client that speaks HTTP/2, by node:http2. */
export class Http2Client extends Deadline implements StreamOwner {
  readonly #socket: Socket;
  readonly #facts: ClientFacts;
  readonly #owner: Http2Owner;
  readonly #session: ServerHttp2Session;
  readonly #requests = new Set<Http2Downstream>();
  readonly #controls: TokenBucket;
  #isOver = false;

  constructor(socket: Socket, facts: ClientFacts, owner: Http2Owner) {
    super();
    this.#socket = socket;
    this.#facts = facts;
    this.#owner = owner;
    this.#controls = { tokens: controlBurst, atMs: owner.clock.nowMs() };
    this.#session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: streamsMax,
        // Twice what we serve, so that what is a little too large is answered 431 instead of reset.
        maxHeaderListSize: owner.limits.headerBytes * 2,
        enableConnectProtocol: true,
        enablePush: false,
      },
      maxHeaderListPairs: headerLinesMax * 2,
      maxSessionInvalidFrames: invalidFramesMax,
      maxSessionMemory: sessionMegabytesMax,
      streamResetBurst: resetBurst,
      streamResetRate: resetsPerSecond,
      strictSingleValueFields: false, // What a server says twice is passed on twice.
    });
    const session = this.#session;
    session.on("error", () => {}); // 'close' tells of it.
    session.on("stream", (...args: readonly unknown[]) =>
      this.#take(args[0] as ServerHttp2Stream, args[3] as HeaderList),
    );
    session.on("ping", () => this.#control());
    session.on("remoteSettings", () => this.#control());
    socket.once("close", () => this.#closed());
    owner.wheel.arm(this, owner.limits.headMs);
  }

  /** Requests under way are answered. One that the client has sent since is not served; the client knows so, and may send
   * it again on another connection whatever its method (RFC 9113 §6.8). */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session.close();
    if (this.#requests.size === 0) this.#owner.wheel.arm(this, lingerMs);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  get heldBytesMax(): number {
    return Math.max(streamHeldBytesMin, heldBytesMax / Math.max(8, this.#requests.size));
  }

  onLastAnswer(): void {
    if (this.#owner.isDraining()) this.end();
  }

  onClosed(request: Http2Downstream): void {
    this.#requests.delete(request);
    if (this.#requests.size === 0) this.#owner.wheel.arm(this, this.#isOver ? lingerMs : this.#owner.limits.idleMs);
  }

  override onDue(): void {
    if (this.#isOver) return this.destroy();
    if (this.#requests.size > 0) return this.#owner.wheel.arm(this, this.#owner.limits.idleMs); // They have their own.
    this.end();
  }

  #take(stream: ServerHttp2Stream, lines: HeaderList): void {
    stream.on("error", () => {}); // 'close' tells of it.
    if (stream.closed) return; // Reset before anybody saw it.
    const request = new Http2Downstream(stream, lines, this.#facts, this);
    this.#requests.add(request);
    if (headBytes(lines) > this.#owner.limits.headerBytes) return this.#refuse(request, tooLarge);
    request.start(this.#owner.serve(request));
  }

  #refuse(request: Http2Downstream, refused: Refusal): void {
    this.#owner.onRefused(refused);
    reply(request, refused, [], false);
  }

  /** What costs us an answer and the client next to nothing. */
  #control(): void {
    refill(this.#controls, this.#owner.clock.nowMs(), controlsPerSecond, controlBurst);
    this.#controls.tokens--;
    if (this.#controls.tokens < 0) this.#session.destroy(floodError, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  #closed(): void {
    this.#owner.wheel.disarm(this);
    this.#owner.onClosed(this);
  }
}

/** As many as it would have in HTTP/1.1. */
function headBytes(lines: HeaderList): number {
  let bytes = 0;
  for (const text of lines) bytes += text.length + 2; // ": ", or the end of the line
  return bytes;
}
