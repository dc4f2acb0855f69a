import type { Duplex } from "node:stream";
import { TrafficError } from "#shared/core/error.ts";
import { admit, admitRouted } from "./admit.ts";
import type { Admission, Admitted } from "./admit.ts";
import type { AnswerHead, Downstream, DownstreamTaker, UpstreamRequest } from "./engine/engine.ts";
import { ownLines } from "./entrance.ts";
import type { Entrance } from "./entrance.ts";
import { identify } from "./identify.ts";
import { gatewayFailureOf, overdue, silenceMsMax } from "./failures.ts";
import type { Waiting } from "./failures.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import type { HeaderList } from "./headers.ts";
import type { HeldBody, HeldBodyOwner } from "./held-body.ts";
import { incomingHeaders, informationHeaders, switchingHeaders, upstreamRequest } from "./outgoing.ts";
import { mirrorOf } from "./mirror.ts";
import type { Mirror } from "./mirror.ts";
import { Passage } from "./passage.ts";
import { passableTrailers } from "./policy/hop-by-hop.ts";
import { bodyWanted } from "./route/body.ts";
import type { RequestBody } from "./route/body.ts";
import { RefusedError, refusal, refusalOf } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import { reply } from "./reply.ts";
import type { Site } from "./site.ts";
import { splice } from "./splice.ts";
import { Tries } from "./tries.ts";
import type { TriesOwner } from "./tries-options.ts";
import type { UpstreamConnection } from "./upstream/connection.ts";
import { Deadline } from "./wheel.ts";

/** One request on its way. Both engines call in here, and it reads from top to bottom: the head, the try at a server, the
 * body on its way in, the answer on its way back, the end. Of client and server one is waited for at a time. Never throws. */
export class Ride extends Deadline implements DownstreamTaker, HeldBodyOwner, TriesOwner {
  readonly #downstream: Downstream;
  readonly #site: Site;
  readonly #entrance: Entrance;
  readonly #last: boolean;
  readonly #passage: Passage;
  #head: RequestHead | undefined;
  /** Gathers a copy for the mirror of the route. */
  #mirror: Mirror | undefined;
  /** What came of the body before the server was known. */
  #held: HeldBody | undefined;
  #tries: Tries | undefined;
  /** Whom the deadline is for. */
  #waitsFor: Waiting = "client";
  #silentMs = 0;
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
    this.#passage = new Passage(downstream, site);
    site.count(1);
  }

  // 1. The head: who asks, and where to.

  begin(): void {
    try {
      const read = readHead(this.#downstream.head, this.#site.snapshot.config.limits);
      if (!read.ok) return this.#refuse(read.refusal, true);
      const { head } = read;
      this.#head = head;
      this.#downstream.expectBody(head.framing, head.upgrade);
      this.#passage.identified(head.path, identify(head, this.#downstream, this.#site));
      this.#decide(admit(head, { entrance: this.#entrance, facts: this.#downstream }, this.#site, this.#passage));
    } catch (error) {
      this.onFailure(error);
    }
  }

  #decide(admission: Admission): void {
    if (admission === bodyWanted) this.#holdBody();
    else if ("status" in admission) this.#refuse(admission, admission.ends === true || this.#closes());
    else this.#send(admission);
  }

  /** A route asks for a field of the body, so that is read first: up to a bound, in the time that it may stand still. */
  #holdBody(): void {
    const held = this.#site.bodyRoom.hold(this.#downstream, this.#site.snapshot.config.limits.bodyMatchBytes, this);
    if ("status" in held) return this.#refuse(held, this.#closes());
    this.#held = held;
    this.#wait("body", this.#timeouts.bodyMs);
    held.begin(this.#head?.expectsContinue ?? false);
  }

  onBodyKnown(body: RequestBody): void {
    this.#site.wheel.disarm(this);
    this.#head = this.#head && { ...this.#head, expectsContinue: false }; // It was told to send.
    if (this.#head) this.#decide(admitRouted(this.#head, this.#site, this.#passage, body));
  }

  // 2. The try: an endpoint, a connection to it, the request on it.

  #send(admitted: Admitted): void {
    const { head, delayMs } = admitted;
    const request = upstreamRequest(admitted, this.#passage.forwarded, this.#downstream.local);
    this.#isHeldBack = head.expectsContinue;
    this.#bodyIsWhole = head.framing.kind === "none";
    this.#mirror = mirrorOf(admitted, request, this.#site, this.#passage);
    this.#tries = new Tries({ request, admitted, site: this.#site, passage: this.#passage, owner: this });
    this.#tries.begin(delayMs);
  }

  onConnection(connection: UpstreamConnection, request: UpstreamRequest): void {
    connection.send(request, this);
    this.awaitTurn();
    this.#held?.release();
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
    if (!this.#connection) return this.#held?.add(chunk); // The rest of a refused body runs dry.
    this.#passage.bytesIn += chunk.length;
    if (this.#passage.bytesIn > this.#site.snapshot.config.limits.bodyBytes)
      return this.onFailure(new RefusedError(refusal(413, "BODY_TOO_LARGE", "the body is too large")));
    this.#isHeldBack = false;
    this.#connection.write(chunk);
    this.#mirror?.add(chunk);
    this.awaitTurn();
  }

  onBodyEnd(trailers: HeaderList): void {
    if (!this.#connection) return this.#held?.end(trailers);
    this.#bodyIsWhole = true;
    this.#mirror?.launch();
    this.#connection.end(passableTrailers(trailers));
    this.awaitTurn();
  }

  onBodyFlush(): void {
    if (!this.#connection) return this.#held?.settle();
    if (this.#connection.flush() || this.#bodyIsWhole) return;
    this.#serverIsFull = true;
    this.#downstream.pause();
    this.awaitTurn();
  }

  onServerRoom(): void {
    if (!this.#serverIsFull) return;
    this.#serverIsFull = false;
    this.awaitTurn();
    this.#downstream.resume();
  }

  /** It is the server's turn while it takes no more for now, has it all, or has yet to ask for it. */
  awaitTurn(): void {
    if (this.#isAnswered || !this.#connection) return;
    if (this.#isHeldBack || this.#serverIsFull || this.#bodyIsWhole) this.#wait("answer", this.#tries?.answerMs ?? 0);
    else this.#wait("body", this.#timeouts.bodyMs);
  }

  // 4. The answer on its way back.

  /** Passes a 1xx on. A 100 that the client did not ask for means nothing to it. */
  onInformation(status: number, headers: HeaderList): void {
    if (status === 100 && this.#isHeldBack) {
      this.#isHeldBack = false;
      this.awaitTurn();
    }
    if (status === 100 && !this.#head?.expectsContinue) return;
    this.#downstream.inform(status, status === 100 ? [] : informationHeaders(headers));
  }

  onAnswer({ status, statusText, headers, framing }: AnswerHead): void {
    if (this.#tries?.yields(status)) return;
    try {
      this.#isAnswered = true;
      this.#tries?.answered(gatewayFailureOf(status));
      this.#passage.answered(status);
      this.#silentMs = silenceMsMax(headers, this.#timeouts);
      this.#wait("server", this.#silentMs);
      const lines = incomingHeaders(headers, status, this.#passage, this.#entrance);
      this.#downstream.begin({ status, statusText, headers: lines, framing }, this.#closes());
    } catch (error) {
      this.onFailure(error);
    }
  }

  onAnswerBody(chunk: Buffer): void {
    if (!this.#connection) return;
    this.#passage.bytesOut += chunk.length;
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
    if (!this.#downstream.isWhole) this.#tries?.abandon();
    this.#tries?.release();
    this.#wait("client", this.#timeouts.idleMs);
    this.#downstream.end(this.#head?.version === "1.0" ? [] : passableTrailers(trailers));
    this.#downstream.flush();
  }

  onUpgrade(headers: HeaderList, socket: Duplex, first: Buffer): void {
    this.#isAnswered = true;
    this.#tries?.answered(undefined);
    this.#tries?.release();
    this.#site.wheel.disarm(this);
    this.#passage.answered(101);
    const lines = switchingHeaders(headers, this.#passage, this.#entrance);
    const limits = { clock: this.#site.host.clock, idleMs: this.#timeouts.idleMs };
    void splice(this.#downstream.switchProtocols(lines), socket, first, limits).then((reason) => {
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
    const whom = this.#waitsFor;
    if (whom === "answer") return this.#tries?.overdue();
    if (whom !== "client" || !this.#isReplied) return this.onFailure(overdue(whom));
    this.#downstream.cut();
    this.#finish();
  }

  /** Something went wrong: answers if nothing was, and never ends half an answer cleanly. */
  onFailure(thrown: unknown): void {
    if (this.#isOver || this.#isReplied) return;
    const reason = this.#passage.reasonOf(thrown);
    this.#tries?.cancel(this.#isAnswered || !(thrown instanceof TrafficError) ? undefined : thrown);
    if (reason !== "CLIENT_GONE" && !this.#downstream.headSent)
      return this.#refuse(refusalOf(thrown), this.#head === undefined || this.#closes());
    this.#passage.left(reason);
    this.#downstream.cut();
    this.#finish();
  }

  #refuse(refused: Refusal, close: boolean): void {
    this.#isReplied = true;
    this.#held?.drop();
    this.#passage.refused(refused);
    this.#wait("client", this.#timeouts.idleMs);
    this.#passage.bytesOut = reply(this.#downstream, refused, ownLines(this.#passage, this.#entrance), close);
    this.#downstream.flush();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#site.wheel.disarm(this);
    this.#held?.drop();
    this.#mirror?.drop();
    const endpoint = this.#tries?.endpoint;
    endpoint?.end();
    this.#passage.close(this.#isAnswered ? endpoint?.name : undefined);
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
