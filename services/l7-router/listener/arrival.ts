import type { Socket } from "node:net";
import { linger } from "#l7-router/end.ts";
import { refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import { Deadline } from "#l7-router/wheel.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import { isPreface } from "./preface.ts";

/** Who is told how it goes on. */
export interface ArrivalOwner {
  readonly wheel: Wheel;
  /** The connection speaks plain HTTP of this version. It has left. */
  onHttp(arrival: Arrival, isHttp2: boolean, first: Buffer): void;
  /** It has begun a head and does not get on with it. It ends. */
  onSlowHead(arrival: Arrival, answer: Refusal): void;
  /** The connection has ended. */
  onGone(arrival: Arrival): void;
}

/** A connection that was accepted and is not one of HTTP yet. */
export class Arrival extends Deadline {
  readonly socket: Socket;
  /** Both ends of a connection whose TLS handshake is under way. */
  ends = "";
  /** What its requests will be answered. */
  turnedAway: Refusal | undefined;
  readonly #owner: ArrivalOwner;
  #held: Buffer | undefined;
  #isRead = false;

  /** @param limitMs that it may take to be one of HTTP */
  constructor(socket: Socket, owner: ArrivalOwner, limitMs: number) {
    super();
    this.socket = socket;
    this.#owner = owner;
    socket.on("error", () => {}); // A reset is told by 'close', whoever has the socket by then.
    socket.on("close", this.#onClose);
    owner.wheel.arm(this, limitMs);
  }

  /** Waits for the first bytes: they say the version. */
  read(): void {
    this.#isRead = true;
    this.socket.on("data", this.#onData);
    this.socket.on("end", this.#onEnd);
  }

  /** Somebody else has the socket from now on. */
  leave(): void {
    this.#stop();
    this.socket.off("close", this.#onClose);
  }

  /** Ends it if nothing has come yet. */
  endIfIdle(): void {
    if (this.#isRead && !this.#held) this.#end();
  }

  override onDue(): void {
    if (!this.#isRead) return void this.socket.destroy();
    if (this.#held) this.#owner.onSlowHead(this, refusal(408, "TIMEOUT", "the head came too slowly"));
    this.#end();
  }

  #stop(): void {
    this.#owner.wheel.disarm(this);
    this.socket.off("data", this.#onData);
    this.socket.off("end", this.#onEnd);
  }

  #end(): void {
    this.#stop();
    linger(this.socket);
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = this.#held ? Buffer.concat([this.#held, chunk]) : chunk; // shorter than a preface, and one read
    const found = isPreface(bytes);
    this.#held = bytes;
    if (found === "more") return;
    this.leave();
    this.#owner.onHttp(this, found === "yes", bytes);
  };

  readonly #onEnd = (): void => void this.socket.end();

  readonly #onClose = (): void => {
    this.#owner.wheel.disarm(this);
    this.#owner.onGone(this);
  };
}
