import type { Socket } from "node:net";
import { headerLinesMax } from "#l7-router/head.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { Acceptor, AcceptorOptions, ClientFacts, Downstream, DownstreamTaker, ListenerLimits } from "../engine.ts";
import { WireClient } from "./client.ts";
import type { ClientOwner } from "./client.ts";
import type { HeadBounds } from "./head-parser.ts";

/** HTTP/1.1 on raw sockets, or those of node:tls. */
export class WireAcceptor implements Acceptor, ClientOwner {
  readonly wheel: Wheel;
  readonly #options: AcceptorOptions;
  readonly #clients = new Set<WireClient>();
  #limits: ListenerLimits;
  #bounds: HeadBounds;
  #isEnding = false;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.wheel = options.wheel;
    this.#limits = options.limits;
    this.#bounds = boundsOf(options.limits);
  }

  accept(socket: Socket, facts: ClientFacts, first: Buffer | undefined): void {
    const client = new WireClient(socket, facts, this);
    this.#clients.add(client);
    if (first) client.receive(first);
  }

  get connectionCount(): number {
    return this.#clients.size;
  }

  get limits(): ListenerLimits {
    return this.#limits;
  }

  get bounds(): HeadBounds {
    return this.#bounds;
  }

  setLimits(limits: ListenerLimits): void {
    this.#limits = limits;
    this.#bounds = boundsOf(limits);
  }

  end(): void {
    this.#isEnding = true;
    for (const client of this.#clients) client.endIfIdle();
  }

  destroy(): void {
    for (const client of this.#clients) client.destroy();
  }

  serve(downstream: Downstream): DownstreamTaker {
    return this.#options.serve(downstream, this.#isEnding);
  }

  onRefused(refused: Refusal): void {
    this.#options.onRefused(refused);
  }

  onClosed(client: WireClient): void {
    this.#clients.delete(client);
  }
}

function boundsOf({ headerBytes, targetBytes }: ListenerLimits): HeadBounds {
  return { bytesMax: headerBytes, targetBytesMax: targetBytes, linesMax: headerLinesMax };
}
