import type { Socket } from "node:net";
import { createServer } from "node:tls";
import type { TcpListener } from "#shared/net/listen.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import { listenServer, listenTcp } from "#shared/net/listen.ts";
import { headerLinesMax } from "#l7-router/head.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import type { Wheel } from "#l7-router/wheel.ts";
import type { Downstream, DownstreamTaker, Listener, ListenerLimits, ListenerOptions } from "../engine.ts";
import { tlsOptions } from "../listener-tls.ts";
import { WireClient } from "./client.ts";
import type { ClientOwner } from "./client.ts";
import type { HeadBounds } from "./head-parser.ts";

/** An HTTP/1.1 listener on raw sockets, or those of node:tls. */
export class WireListener implements Listener, ClientOwner {
  readonly wheel: Wheel;
  readonly #options: ListenerOptions;
  readonly #clients = new Set<WireClient>();
  #limits: ListenerLimits;
  #bounds: HeadBounds;
  #listener: TcpListener | undefined;
  #isClosing = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.wheel = options.wheel;
    this.#limits = options.limits;
    this.#bounds = boundsOf(options.limits);
  }

  async listen(): Promise<void> {
    const { address, tls, sharing } = this.#options;
    const onConnection = (socket: Socket) => void this.#clients.add(new WireClient(socket, this));
    if (!tls) {
      this.#listener = await listenTcp({ address, allowHalfOpen: true, sharing, onConnection });
      return;
    }
    const options = { ...tlsOptions(tls, this.#limits.headMs), allowHalfOpen: true, noDelay: true };
    const server = createServer(options, onConnection);
    tls.certificates.attach(server);
    server.on("tlsClientError", (_error, socket) => {
      this.#options.onHandshakeFailed();
      socket.destroy();
    });
    this.#listener = await listenServer(server, address, trafficLimit, sharing);
  }

  get address(): string {
    return this.#listener?.address ?? this.#options.address;
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

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#listener?.close();
    for (const client of this.#clients) client.endIfIdle();
  }

  destroy(): void {
    for (const client of this.#clients) client.destroy();
  }

  serve(downstream: Downstream): DownstreamTaker {
    return this.#options.serve(downstream, this.#isClosing);
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
