import type { Duplex } from "node:stream";
import type { Reason } from "#shared/core/error.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import { admit } from "./admit.ts";
import type { AnswerHead, Downstream, DownstreamTaker, UpstreamRequest } from "./engine/engine.ts";
import { entranceRefusal, setHsts } from "./entrance.ts";
import type { Entrance } from "./entrance.ts";
import { identify } from "./identify.ts";
import { late, stalled } from "./failures.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import { valueOf } from "./headers.ts";
import type { HeaderList } from "./headers.ts";
import { incomingHeaders, informationHeaders, upstreamRequest } from "./outgoing.ts";
import { answerOwn, ownAnswerOf } from "./own-answers.ts";
import { Passage } from "./passage.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { passableTrailers } from "./policy/hop-by-hop.ts";
import { RefusedError, refusal, refusalOf } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { reply } from "./reply.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import { splice } from "./splice.ts";
import { Tries } from "./tries.ts";
import type { TriesOwner } from "./tries.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";
import { Deadline } from "./wheel.ts";

// What a gateway says that could not reach what is behind it: counts against the endpoint, unlike a server's own 500.
const gatewayFailures: ReadonlySet<number> = new Set([502, 503, 504]);
const noTrailers: HeaderList = [];

/** Whose turn it is: the client's, within its body; the server's, before its answer and within it; the client's, to take it. */
type Waiting = "body" | "answer" | "server" | "client";

/** One request on its way. Both engines call in here, and it reads from top to bottom: the head, the try at a server, the
 * body on its way in, the answer on its way back, the end. Of client and server one is waited for at a time. Never throws. */
export class Ride extends Deadline implements DownstreamTaker, TriesOwner {
  readonly #downstream: Downstream;
  readonly #site: Site;
  readonly #entrance: Entrance;
  readonly #last: boolean;
  readonly #passage: Passage;
  #head: RequestHead | undefined;
  #tries: Tries | undefined;
  /** Whom the deadline is for. */
  #waitsFor: Waiting = "client";
  #silentMs = 0;
  #bodyBytes = 0;
  #bodyIsWhole = false;
  /** The client sends its body only at the server's word, or when it has waited long enough. */
  #isHeldBack = false;
  #serverIsFull = false;
  #isAnswered = false;
  #isReplied = false;
  #isOver = false;

  /** @param last the connection ends after the answer */
  constructor(downstream: Downstream, site: Site, entrance: Entrance, last: boolean) {
    super();
    this.#downstream = downstream;
    this.#site = site;
    this.#entrance = entrance;
    this.#last = last;
    this.#passage = new Passage(downstream, site.host);
    site.count(1);
  }

  // 1. The head: who asks, and where to.

  begin(): void {
    try {
      const { snapshot, viaName, rateLimiter } = this.#site;
      const read = readHead(this.#downstream.head, snapshot.config.limits);
      if (!read.ok) return this.#refuse(read.refusal, true);
      const { head } = read;
      this.#head = head;
      this.#downstream.expectBody(head.framing, head.upgrade);
      const forwarded = identify(head, this.#downstream, this.#site);
      this.#passage.identified(head.path, forwarded);
      if (this.#answerHere(head, forwarded)) return;
      const { client } = forwarded;
      const turnedAway =
        (snapshot.isTrusted(client) ? undefined : rateLimiter.refuse(client)) ??
        entranceRefusal(head, this.#downstream.tls, this.#entrance);
      if (turnedAway) return this.#refuse(turnedAway, this.#closes());
      const admitted = admit(head, snapshot, viaName, this.#passage);
      if ("status" in admitted) this.#refuse(admitted, this.#closes());
      else this.#send(head, forwarded, admitted);
    } catch (error) {
      this.onFailure(error);
    }
  }

  /** Answers what the router answers itself.
   * @returns whether it did */
  #answerHere(head: RequestHead, { requestId }: Forwarded): boolean {
    const kind = ownAnswerOf(head);
    if (!kind) return false;
    const own = this.#ownLines(requestId);
    this.#isReplied = true;
    this.#wait("client", this.#timeouts.idleMs);
    const options = { unhealthy: this.#site.unhealthy(), own, close: this.#closes() };
    this.#passage.answeredHere(kind, answerOwn(kind, this.#downstream, options));
    this.#downstream.flush();
    return true;
  }

  // 2. The try: an endpoint, a connection to it, the request on it.

  #send(head: RequestHead, forwarded: Forwarded, routed: RoutedPool): void {
    const request = upstreamRequest(head, forwarded, this.#downstream.local);
    this.#isHeldBack = head.expectsContinue;
    this.#bodyIsWhole = head.framing.kind === "none";
    this.#tries = new Tries({ request, routed, site: this.#site, passage: this.#passage, owner: this });
    this.#tries.next();
  }

  onConnection(connection: UpstreamConnection, request: UpstreamRequest): void {
    connection.send(request, this);
    this.#awaitTurn();
    if (!this.#bodyIsWhole) this.#downstream.resume();
    this.onBodyFlush(); // Head and body in one write, where the body has come already.
  }

  onServerError(error: TrafficError): void {
    if (!this.#connection) return;
    this.#site.wheel.disarm(this);
    if (!this.#isAnswered) this.#tries?.failed(error);
    else this.onFailure(error);
  }

  // 3. The request's body on its way in.

  onBody(chunk: Buffer): void {
    if (!this.#connection) return; // The rest of a refused body runs dry.
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > this.#site.snapshot.config.limits.bodyBytes)
      return this.onFailure(new RefusedError(refusal(413, "BODY_TOO_LARGE", "the body is too large")));
    this.#isHeldBack = false;
    this.#connection.write(chunk);
    this.#awaitTurn();
  }

  onBodyEnd(trailers: HeaderList): void {
    if (!this.#connection) return;
    this.#bodyIsWhole = true;
    this.#connection.end(passableTrailers(trailers));
    this.#awaitTurn();
  }

  onBodyFlush(): void {
    if (!this.#connection || this.#connection.flush() || this.#bodyIsWhole) return;
    this.#serverIsFull = true;
    this.#downstream.pause();
    this.#awaitTurn();
  }

  onServerRoom(): void {
    if (!this.#serverIsFull) return;
    this.#serverIsFull = false;
    this.#awaitTurn();
    this.#downstream.resume();
  }

  /** It is the server's turn while it takes no more for now, has it all, or has yet to ask for it. */
  #awaitTurn(): void {
    if (this.#isAnswered || !this.#connection) return;
    if (this.#isHeldBack || this.#serverIsFull || this.#bodyIsWhole) this.#wait("answer", this.#tries?.answerMs ?? 0);
    else this.#wait("body", this.#timeouts.bodyMs);
  }

  // 4. The answer on its way back.

  /** Passes a 1xx on. A 100 that the client did not ask for means nothing to it. */
  onInformation(status: number, headers: HeaderList): void {
    if (status === 100 && this.#isHeldBack) {
      this.#isHeldBack = false;
      this.#awaitTurn();
    }
    if (status === 100 && !this.#head?.expectsContinue) return;
    this.#downstream.inform(status, status === 100 ? [] : informationHeaders(headers));
  }

  onAnswer({ status, statusText, headers, framing }: AnswerHead): void {
    try {
      this.#isAnswered = true;
      this.#tries?.answered(gatewayFailures.has(status) ? "UNHEALTHY" : undefined);
      this.#passage.status = status;
      const isEvents = valueOf(headers, "content-type")?.startsWith("text/event-stream") ?? false;
      this.#silentMs = isEvents ? this.#timeouts.idleMs : this.#timeouts.bodyMs; // Events may be far apart.
      this.#wait("server", this.#silentMs);
      const lines = incomingHeaders(headers, this.#site.viaName, this.#passage.requestId, status);
      if (this.#entrance.hsts !== undefined) setHsts(lines, this.#entrance.hsts);
      this.#downstream.begin({ status, statusText, headers: lines, framing }, this.#closes());
    } catch (error) {
      this.onFailure(error);
    }
  }

  onAnswerBody(chunk: Buffer): void {
    if (!this.#connection) return;
    this.#downstream.write(chunk);
    if (this.#waitsFor === "server") this.#wait("server", this.#silentMs);
  }

  onAnswerFlush(): void {
    if (this.#downstream.flush() || !this.#connection) return;
    this.#connection.pause();
    this.#wait("client", this.#timeouts.idleMs);
  }

  onClientRoom(): void {
    if (!this.#connection || !this.#isAnswered) return;
    this.#wait("server", this.#silentMs);
    this.#connection.resume();
  }

  onAnswerEnd(trailers: HeaderList): void {
    if (!this.#connection) return;
    // Answered before the request was whole: the server waits for the rest, which nobody will send.
    if (!this.#downstream.isWhole) this.#connection.cancel(this);
    this.#tries?.release();
    this.#wait("client", this.#timeouts.idleMs);
    this.#downstream.end(this.#head?.version === "1.0" ? noTrailers : passableTrailers(trailers));
    this.#downstream.flush();
  }

  onUpgrade(headers: HeaderList, socket: Duplex, first: Buffer): void {
    this.#isAnswered = true;
    this.#tries?.answered(undefined);
    this.#tries?.release();
    this.#site.wheel.disarm(this);
    this.#passage.status = 101;
    const lines = incomingHeaders(headers, this.#site.viaName, this.#passage.requestId, 101);
    lines.push("Connection", "Upgrade", "Upgrade", "websocket");
    const client = this.#downstream.switchProtocols(lines);
    const { clock } = this.#site.host;
    void splice(client, socket, first, { clock, idleMs: this.#timeouts.idleMs }).then((reason) => {
      this.#passage.reason = reason;
      this.#finish();
    });
  }

  // 5. The end.

  onTaken(): void {
    this.#finish();
  }

  onClientError(error: TrafficError): void {
    if (this.#isReplied) this.#finish();
    else this.onFailure(error);
  }

  override onDue(): void {
    switch (this.#waitsFor) {
      case "body":
        return this.onFailure(new RefusedError(refusal(408, "TIMEOUT", "the body came too slowly")));
      case "answer":
        this.#connection?.cancel(this);
        return this.#tries?.failed(late(this.#tries.answerMs));
      case "server":
        return this.onFailure(stalled("server"));
      case "client":
        if (!this.#isReplied) return this.onFailure(stalled("client"));
        this.#downstream.cut();
        return this.#finish();
    }
  }

  /** Something went wrong: answers if nothing was, and never ends half an answer cleanly. */
  onFailure(thrown: unknown): void {
    if (this.#isOver || this.#isReplied) return;
    const reason: Reason = thrown instanceof TrafficError ? thrown.reason : "UPSTREAM_INVALID";
    if (!(thrown instanceof TrafficError)) {
      const { requestId } = this.#passage;
      this.#site.host.log.error({ error: messageOf(thrown), requestId }, "request_failed");
    }
    this.#tries?.cancel(this.#isAnswered || !(thrown instanceof TrafficError) ? undefined : thrown);
    if (reason !== "CLIENT_GONE" && !this.#downstream.headSent)
      return this.#refuse(refusalOf(thrown), this.#head === undefined || this.#closes());
    this.#passage.left(reason);
    this.#downstream.cut();
    this.#finish();
  }

  #refuse(refused: Refusal, close: boolean): void {
    this.#isReplied = true;
    this.#passage.refused(refused);
    this.#wait("client", this.#timeouts.idleMs);
    reply(this.#downstream, refused, this.#ownLines(this.#passage.requestId), close);
    this.#downstream.flush();
  }

  /** Of every answer that the router itself gives. */
  #ownLines(requestId: string): string[] {
    const lines = requestId === "" ? [] : ["X-Request-Id", requestId];
    if (this.#entrance.hsts !== undefined) setHsts(lines, this.#entrance.hsts);
    return lines;
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#site.wheel.disarm(this);
    const endpoint = this.#tries?.endpoint;
    endpoint?.end();
    const { snapshot, tallies } = this.#site;
    const { accessLog } = snapshot.config;
    this.#passage.close({ endpoint: this.#isAnswered ? endpoint?.name : undefined, accessLog, tallies });
    this.#site.count(-1);
  }

  /** Whether the connection must end after the answer that begins now. */
  #closes(): boolean {
    const head = this.#head;
    const mayStay = head !== undefined && head.keepsAlive && !head.asksToUpgrade && this.#downstream.isWhole;
    return this.#last || !mayStay || this.#site.isDraining();
  }

  #wait(whom: Waiting, forMs: number): void {
    this.#waitsFor = whom;
    if (!this.#isOver) this.#site.wheel.arm(this, forMs);
  }

  /** That of the server which has the request, while it has. */
  get #connection(): UpstreamConnection | undefined {
    return this.#tries?.connection;
  }

  get #timeouts() {
    return this.#site.snapshot.config.timeouts;
  }
}
