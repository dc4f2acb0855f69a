import dgram from "node:dgram";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import type { Host } from "#shared/server/service.ts";

export interface UdpSessionOptions {
  /** "ip:port" */
  readonly client: string;
  readonly listener: string;
  readonly pool: Pool;
  /** 32 bits of the client, for ip-hash. */
  readonly hash: number;
  /** That one server may have. */
  readonly connectionsMax: number | undefined;
  readonly idleMs: number;
  readonly localAddress: string | undefined;
  readonly host: Host;
  /** Sends to the client. */
  answer(datagram: Buffer): void;
  onEnd(reason: Reason): void;
}

const triesMax = 4; // servers whose port is closed, one after the other; a datagram may be lost in any case
const waitingMax = 16; // datagrams, while the socket is being made

/** The datagrams of one client, from the first until it was silent for a while. */
export class UdpSession {
  readonly #options: UdpSessionOptions;
  readonly #clock: Clock;
  readonly #beganMs: number;
  readonly #tried: Endpoint[] = [];
  #endpoint: Endpoint | undefined;
  #socket: dgram.Socket | undefined;
  #isConnected = false;
  #hasAnswered = false;
  #waiting: Buffer[] = [];
  /** Sent last, and not answered: goes to the next server if this one turns out to be closed. */
  #unanswered: Buffer | undefined;
  #activeMs: number;
  #timer: Timer | undefined;
  #unfollow: (() => void) | undefined;
  #isOver = false;
  #bytesUp = 0;
  #bytesDown = 0;
  #takenUp = 0;
  #takenDown = 0;

  constructor(options: UdpSessionOptions) {
    this.#options = options;
    this.#clock = options.host.clock;
    this.#beganMs = this.#activeMs = this.#clock.nowMs();
  }

  get pool(): string {
    return this.#options.pool.name;
  }

  get listener(): string {
    return this.#options.listener;
  }

  begin(): void {
    this.#armTimer();
    this.#chooseServer();
  }

  send(datagram: Buffer): void {
    this.#activeMs = this.#clock.nowMs();
    this.#bytesUp += datagram.length;
    if (!this.#isConnected) {
      if (this.#waiting.length < waitingMax) this.#waiting.push(datagram);
      return;
    }
    this.#unanswered = this.#hasAnswered ? undefined : datagram;
    this.#socket?.send(datagram, () => {}); // An error is told by the socket itself.
  }

  end(reason: Reason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer?.cancel();
    this.#letGo();
    this.#options.onEnd(reason);
  }

  /** The bytes carried since it was last asked. */
  takeBytes(): { readonly up: number; readonly down: number } {
    const taken = { up: this.#bytesUp - this.#takenUp, down: this.#bytesDown - this.#takenDown };
    this.#takenUp = this.#bytesUp;
    this.#takenDown = this.#bytesDown;
    return taken;
  }

  /** A row of `GET /connections`. */
  describe(): Record<string, unknown> {
    const { client, listener, pool } = this.#options;
    return {
      connection: `udp ${client} ${listener}`,
      mode: "userspace",
      listener,
      downstream: client,
      client,
      pool: pool.name,
      server: this.#endpoint?.id ?? null,
      serverName: this.#endpoint?.name ?? null,
      ageMs: Math.round(this.#clock.nowMs() - this.#beganMs),
      bytesUp: this.#bytesUp,
      bytesDown: this.#bytesDown,
    };
  }

  #chooseServer(): void {
    const { pool, hash, connectionsMax = Number.POSITIVE_INFINITY } = this.#options;
    for (;;) {
      const { endpoint, reason } = pool.choose({ hash, tried: this.#tried });
      if (!endpoint || this.#tried.length >= triesMax) return this.end(endpoint ? "CONNECT_FAILED" : reason);
      this.#tried.push(endpoint);
      if (endpoint.active < connectionsMax) return this.#connect(endpoint);
      pool.countAttempt(endpoint, "LIMIT_REACHED");
    }
  }

  #connect(endpoint: Endpoint): void {
    const { localAddress } = this.#options;
    this.#endpoint = endpoint;
    endpoint.begin();
    this.#unfollow = endpoint.onIneligible(() => this.end("UNHEALTHY")); // The next datagram finds another server.
    const socket = dgram.createSocket({
      type: endpoint.host.includes(":") ? "udp6" : "udp4",
      lookup: (name, _options, callback) => callback(null, name, endpoint.host.includes(":") ? 6 : 4),
    });
    this.#socket = socket;
    socket.on("error", () => this.#failed(endpoint));
    socket.on("message", (datagram) => this.#answered(endpoint, datagram));
    socket.on("connect", () => {
      this.#isConnected = true;
      for (const datagram of this.#waiting.splice(0)) this.#forward(datagram);
    });
    socket.bind({ port: 0, ...(localAddress !== undefined && { address: localAddress }), exclusive: true }, () => {
      if (this.#socket === socket) socket.connect(endpoint.port, endpoint.host);
    });
  }

  #forward(datagram: Buffer): void {
    this.#unanswered = datagram;
    this.#socket?.send(datagram, () => {});
  }

  #answered(endpoint: Endpoint, datagram: Buffer): void {
    this.#activeMs = this.#clock.nowMs();
    if (!this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#unanswered = undefined;
      endpoint.succeeded(this.#activeMs);
      this.#options.pool.countAttempt(endpoint, "OK");
    }
    this.#bytesDown += datagram.length;
    this.#options.answer(datagram);
  }

  /** Its port is closed, or this machine has no socket left: the next server gets what this one has not answered. */
  #failed(endpoint: Endpoint): void {
    if (this.#isOver) return;
    const { pool } = this.#options;
    pool.countAttempt(endpoint, "CONNECT_FAILED");
    endpoint.failed(this.#clock.nowMs(), "CONNECT_FAILED");
    if (this.#isOver) return; // The pool has just ejected it.
    if (this.#unanswered) this.#waiting = [this.#unanswered];
    this.#letGo();
    this.#hasAnswered = false;
    this.#chooseServer();
  }

  #letGo(): void {
    this.#unfollow?.();
    this.#endpoint?.end();
    this.#endpoint = undefined;
    this.#isConnected = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.removeAllListeners().on("error", () => {});
    socket?.close();
  }

  /** One timer a session, set anew only when it fires: a datagram costs no timer. */
  #armTimer(): void {
    const leftMs = this.#activeMs + this.#options.idleMs - this.#clock.nowMs();
    if (leftMs <= 0) return this.end("OK");
    this.#timer = this.#clock.after(leftMs, () => this.#armTimer());
  }
}
