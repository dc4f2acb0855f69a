import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { reset } from "#l7-router/end.ts";
import { clientGone } from "#l7-router/failures.ts";
import type { Framing, RawHead } from "#l7-router/head.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { Informations } from "#l7-router/informations.ts";
import { RefusedError, refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import { rawReply } from "#l7-router/reply.ts";
import { Deadline } from "#l7-router/wheel.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { AnswerHead, ClientFacts, Downstream, DownstreamTaker, ListenerLimits } from "../engine.ts";
import { BodyReader } from "./body-reader.ts";
import { HeadParser } from "./head-parser.ts";
import type { HeadBounds } from "./head-parser.ts";
import { addEnd, addPiece, dateNow, hasDate, textOfLines } from "./message.ts";
import { Outbox } from "./outbox.ts";
import type { OutboxOwner } from "./outbox.ts";

/** What a connection needs of its listener. */
export interface ClientOwner {
  readonly wheel: Wheel;
  readonly limits: ListenerLimits;
  readonly bounds: HeadBounds;
  serve(downstream: Downstream): DownstreamTaker;
  onRefused(refused: Refusal): void;
  /** The connection has ended, or is no longer an HTTP connection and has then ended. */
  onClosed(client: WireClient): void;
}

const heldBytesMax = 65_536; // pipelined behind the request under way; then nothing more is read
const lingerMs = 5_000; // as nginx' lingering_timeout
const emptyHead: RawHead = { method: "", target: "", version: "1.1", headers: [] };

/** One connection of a client: reads requests strictly, one after the other, and carries their answers. */
export class WireClient extends Deadline implements Downstream, OutboxOwner {
  readonly peer: string;
  readonly local: string;
  readonly tls: Downstream["tls"];
  readonly turnedAway: Downstream["turnedAway"];
  head = emptyHead;
  readonly #socket: Socket;
  readonly #owner: ClientOwner;
  readonly #outbox: Outbox;
  readonly #parser: HeadParser;
  readonly #reader = new BodyReader();
  #taker: DownstreamTaker | undefined;
  /** Bytes that wait: the beginning of a head, a body that is not wanted yet, pipelined requests. */
  #held: Buffer | undefined;
  #isInBody = false;
  #isBodyWanted = false;
  /** Nothing that comes counts any more. */
  #isDeaf = false;
  #isStepping = false;
  #isHeadSent = false;
  #isAnswerEnded = false;
  #isChunked = false;
  #closes = false;
  #isUpgrading = false;
  #informations: Informations | undefined;

  constructor(socket: Socket, { peer, local, tls, turnedAway }: ClientFacts, owner: ClientOwner) {
    super();
    this.#socket = socket;
    this.#owner = owner;
    this.#outbox = new Outbox(socket, this);
    this.#parser = new HeadParser("request", owner.bounds);
    this.peer = peer;
    this.local = local;
    this.tls = tls;
    this.turnedAway = turnedAway;
    socket.on("data", this.receive);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    owner.wheel.arm(this, owner.limits.headMs);
  }

  get isWhole(): boolean {
    return !this.#isInBody;
  }

  get headSent(): boolean {
    return this.#isHeadSent;
  }

  /** Ends it if no request is under way; it ends after its answer otherwise. */
  endIfIdle(): void {
    if (!this.#taker && !this.#isDeaf) this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // What comes.

  readonly receive = (chunk: Buffer): void => {
    if (this.#isDeaf) return;
    this.#held = this.#held ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#step();
    if (!this.#taker || !this.#holdsTooMuch) return;
    if (this.#isUpgrading) return this.destroy(); // A client has nothing to send before it is answered (RFC 6455 §4.1).
    this.#socket.pause();
  };

  get #holdsTooMuch(): boolean {
    return this.#held !== undefined && this.#held.length > heldBytesMax;
  }

  /** Goes on with what is held, as far as it can. */
  #step(): void {
    if (this.#isStepping) return;
    this.#isStepping = true;
    while (this.#held && !this.#isDeaf && !this.#taker && this.#readHead(this.#held));
    this.#isStepping = false;
    if (this.#taker && this.#isInBody && this.#isBodyWanted) this.#readBody();
  }

  /** @returns whether a head was whole */
  #readHead(bytes: Buffer): boolean {
    const { limits, bounds, wheel } = this.#owner;
    const isFresh = this.#parser.isFresh;
    const after = this.#parser.scan(bytes, 0, bytes.length);
    if (after < 0) this.#refuse(this.#parser.fault ?? refusal(400, "BAD_REQUEST", "not HTTP"));
    if (after === 0 && isFresh) wheel.arm(this, limits.headMs);
    if (after <= 0) return false;
    const text = bytes.toString("latin1", 0, after);
    const { method, target, version } = this.#parser.startOf(text);
    this.head = { method, target, version, headers: this.#parser.linesOf(text) };
    this.#parser.reset(bounds);
    this.#held = after === bytes.length ? undefined : bytes.subarray(after);
    this.#isHeadSent = false;
    this.#isAnswerEnded = false;
    this.#isBodyWanted = false;
    this.#isUpgrading = false;
    this.#informations = undefined;
    this.#taker = this.#owner.serve(this);
    this.#taker.begin();
    return true;
  }

  expectBody(framing: Framing, upgrade: boolean): void {
    this.#isUpgrading = upgrade;
    if (framing.kind === "none") return;
    this.#isInBody = true;
    this.#reader.begin(framing);
  }

  resume(): void {
    this.#isBodyWanted = true;
    if (this.#socket.isPaused()) this.#socket.resume();
    if (this.#taker && this.#isInBody) this.#readBody();
  }

  pause(): void {
    this.#isBodyWanted = false;
    this.#socket.pause();
  }

  #readBody(): void {
    const bytes = this.#held;
    const taker = this.#taker;
    if (!bytes || !taker) return;
    this.#held = undefined;
    const pieces: Buffer[] = [];
    const after = this.#reader.read(bytes, 0, bytes.length, pieces);
    if (after < 0) {
      this.#isDeaf = true;
      return taker.onClientError(new RefusedError(refusal(400, "BAD_REQUEST", this.#reader.fault)));
    }
    if (after < bytes.length) this.#held = bytes.subarray(after);
    for (const piece of pieces) if (this.#taker === taker) taker.onBody(piece);
    if (this.#reader.isWhole) {
      this.#isInBody = false;
      if (this.#taker === taker) taker.onBodyEnd(this.#reader.trailers);
    }
    if (this.#taker === taker) taker.onBodyFlush();
  }

  // What goes.

  inform(status: number, headers: HeaderList): void {
    if (this.head.version === "1.0" || this.#isHeadSent || !this.#taker) return;
    this.#informations ??= new Informations();
    if (!this.#informations.admits(status, headers, this.#outbox.isBusy)) return;
    this.#outbox.add(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${textOfLines(headers)}\r\n`);
    this.#outbox.flush();
  }

  send(status: number, headers: HeaderList, body: string, close: boolean): void {
    this.#outbox.clear();
    this.#writeHead(status, STATUS_CODES[status] ?? "", headers, close);
    if (this.head.method !== "HEAD" && body !== "") this.#outbox.add(Buffer.from(body));
    this.#isAnswerEnded = true;
  }

  begin({ status, statusText, headers, framing }: AnswerHead, close: boolean): void {
    const isOpen = framing.kind === "chunked" || framing.kind === "close";
    this.#isChunked = isOpen && this.head.version !== "1.0";
    const lines = this.#isChunked ? [...headers, "Transfer-Encoding", "chunked"] : headers;
    this.#writeHead(status, statusText, lines, close || (isOpen && !this.#isChunked));
  }

  #writeHead(status: number, statusText: string, headers: HeaderList, close: boolean): void {
    this.#closes = close;
    const date = hasDate(headers) ? "" : `Date: ${dateNow()}\r\n`;
    const connection = close ? "close" : "keep-alive";
    this.#outbox.add(
      `HTTP/1.1 ${status} ${statusText}\r\n${textOfLines(headers)}${date}Connection: ${connection}\r\n\r\n`,
    );
  }

  write(chunk: Buffer): void {
    addPiece(this.#outbox, chunk, this.#isChunked);
  }

  end(trailers: HeaderList): void {
    addEnd(this.#outbox, trailers, this.#isChunked);
    this.#isAnswerEnded = true;
  }

  flush(): boolean {
    if (!this.#taker) return true;
    this.#isHeadSent = true;
    return this.#outbox.flush();
  }

  onWritten(wasFull: boolean): void {
    if (!this.#taker) return;
    if (this.#isAnswerEnded) this.#taken();
    else if (wasFull) this.#taker.onClientRoom();
  }

  /** The kernel has the whole answer: the next request, or the end. */
  #taken(): void {
    const taker = this.#taker;
    this.#taker = undefined;
    this.#isChunked = false;
    taker?.onTaken();
    if (this.#closes) return this.#linger();
    this.#owner.wheel.arm(this, this.#owner.limits.idleMs);
    this.#step();
    const mayRead = !this.#holdsTooMuch && (this.#isBodyWanted || !this.#isInBody); // Its request says when.
    if (mayRead && this.#socket.isPaused()) this.#socket.resume();
  }

  switchProtocols(headers: HeaderList): Duplex {
    const socket = this.#socket;
    this.#taker = undefined;
    this.#isDeaf = true;
    this.#owner.wheel.disarm(this);
    this.#outbox.add(`HTTP/1.1 101 Switching Protocols\r\n${textOfLines(headers)}\r\n`);
    this.#outbox.flushNow();
    socket.off("data", this.receive);
    socket.off("end", this.#onEnd);
    socket.pause();
    if (this.#held) socket.unshift(this.#held);
    this.#held = undefined;
    return socket;
  }

  cut(): void {
    this.#taker = undefined;
    this.#isDeaf = true;
    reset(this.#socket);
  }

  // How it ends.

  /** Bytes that are no request: the answer before is out, so this one is next and last. */
  #refuse(refused: Refusal): void {
    this.#owner.onRefused(refused);
    this.#outbox.add(rawReply(refused, STATUS_CODES[refused.status] ?? ""));
    this.#linger();
  }

  /** Ends our side now and the connection a little later: what the client still sends is read and thrown away. Closing at
   * once would make the kernel send a reset, which may overtake the answer. @see RFC 9112 §9.6 */
  #linger(): void {
    this.#isDeaf = true;
    this.#held = undefined;
    this.#outbox.flushNow();
    this.#socket.end();
    this.#socket.resume();
    this.#owner.wheel.disarm(this);
    this.#owner.wheel.arm(this, lingerMs);
  }

  override onDue(): void {
    const { wheel, limits } = this.#owner;
    if (this.#isDeaf) return this.destroy();
    if (this.#taker) return wheel.arm(this, limits.idleMs); // The request has its own.
    if (this.#held) return this.#refuse(refusal(408, "TIMEOUT", "the head came too slowly"));
    this.#linger();
  }

  readonly #onEnd = (): void => {
    const taker = this.#taker;
    if (!taker || this.#isAnswerEnded) return void this.#socket.end();
    this.#gone(taker);
  };

  readonly #onClose = (): void => {
    this.#owner.wheel.disarm(this);
    this.#owner.onClosed(this);
    if (this.#taker) this.#gone(this.#taker);
  };

  #gone(taker: DownstreamTaker): void {
    this.#taker = undefined;
    this.#isDeaf = true;
    taker.onClientError(clientGone());
    this.#socket.destroy();
  }
}
