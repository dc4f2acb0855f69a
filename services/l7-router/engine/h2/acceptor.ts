import type { Socket } from "node:net";
import type { Clock } from "#shared/core/clock.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { Acceptor, AcceptorOptions, ClientFacts, Downstream, DownstreamTaker, ListenerLimits } from "../engine.ts";
import { Http2Client } from "./client.ts";
import type { Http2Owner } from "./client.ts";

/** HTTP/2, beside whichever engine speaks HTTP/1.1. */
export class Http2Acceptor implements Acceptor, Http2Owner {
  readonly wheel: Wheel;
  readonly clock: Clock;
  readonly #options: AcceptorOptions;
  readonly #clients = new Set<Http2Client>();
  #limits: ListenerLimits;
  #isEnding = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.wheel = options.wheel;
    this.clock = options.clock;
    this.#limits = options.limits;
  }

  accept(socket: Socket, facts: ClientFacts, first: Buffer | undefined): void {
    socket.allowHalfOpen = false; // A client that has ended its side can neither ask nor acknowledge any more.
    if (first) {
      socket.pause(); // so that nobody reads it before node:http2 does
      socket.unshift(first);
    }
    const client = new Http2Client(socket, facts, this);
    this.#clients.add(client);
    if (this.#isEnding) client.end();
  }

  get connectionCount(): number {
    return this.#clients.size;
  }

  get limits(): ListenerLimits {
    return this.#limits;
  }

  setLimits(limits: ListenerLimits): void {
    this.#limits = limits;
  }

  end(): void {
    this.#isEnding = true;
    for (const client of this.#clients) client.end();
  }

  destroy(): void {
    for (const client of this.#clients) client.destroy();
  }

  isDraining(): boolean {
    return this.#isEnding || this.#options.isDraining();
  }

  serve(downstream: Downstream): DownstreamTaker {
    return this.#options.serve(downstream, this.#isEnding);
  }

  onRefused(refused: Refusal): void {
    this.#options.onRefused(refused);
  }

  onClosed(client: Http2Client): void {
    this.#clients.delete(client);
  }
}
