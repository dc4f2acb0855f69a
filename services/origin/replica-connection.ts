import type { Socket } from "node:net";
import type { Clock, Timer } from "#shared/core/clock.ts";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, assert } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { dial } from "#shared/net/dial.ts";
import { ReplyParser, encodeCommand } from "./resp2.ts";
import type { Reply } from "./resp2.ts";

const pendingMax = 128; // commands sent ahead on one connection; a replica answers thousands a second

interface Pending {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: TrafficError) => void;
  readonly timer: Timer;
}

export interface OpenOptions {
  /** "address:port" of a forwarder */
  readonly forwarder: string;
  readonly localAddress: string;
  readonly clock: Clock;
  /** Of connecting and asking the replica for its name, together. */
  readonly timeoutMs: number;
}

/** One connection through a forwarder to the replica that the forwarder chose for it. */
export class ReplicaConnection {
  /** Own "address:port", as the forwarder sees it. */
  readonly local: string;
  readonly openedMs: number;
  /** The replica's, as it says itself. */
  replica = "";
  #lost: TrafficError | undefined;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #parser = new ReplyParser();
  readonly #pending: Pending[] = [];
  #retired = false;

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.openedMs = clock.nowMs();
    this.local = formatSocketAddress(socket.localAddress ?? "", socket.localPort ?? 0);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => this.#lose("UPSTREAM_RESET", "the connection ended"));
  }

  /** @throws {TrafficError} CONNECT_FAILED, CONNECT_TIMEOUT, or as `send` throws */
  static async open(options: OpenOptions): Promise<ReplicaConnection> {
    const { clock, localAddress, timeoutMs } = options;
    const target = parseSocketAddress(options.forwarder);
    assert(target, `${options.forwarder} was validated with the config`);
    const beganMs = clock.nowMs();
    const socket = await dial({ host: target.host, port: target.port, localAddress, timeoutMs });
    const connection = new ReplicaConnection(socket, clock);
    const info = await connection.send(["INFO"], timeoutMs - (clock.nowMs() - beganMs));
    const text = info.kind === "bulk" && info.bytes ? Buffer.from(info.bytes).toString() : "";
    connection.replica = /^name:(.*)$/m.exec(text)?.[1]?.trim() ?? "";
    if (connection.replica === "") connection.#lose("UPSTREAM_INVALID", "the replica does not say its name");
    if (connection.#lost) throw connection.#lost;
    return connection;
  }

  /** May be sent to. */
  get usable(): boolean {
    return !this.#lost && !this.#retired;
  }

  /** @throws {TrafficError} TIMEOUT, UPSTREAM_RESET, UPSTREAM_INVALID or LIMIT_REACHED; all but the last end the connection */
  send(words: readonly string[], timeoutMs: number): Promise<Reply> {
    if (this.#lost) return Promise.reject(this.#lost);
    if (this.#pending.length >= pendingMax) {
      return Promise.reject(errorOf("LIMIT_REACHED", `${pendingMax} commands wait on this connection`));
    }
    return new Promise((resolve, reject) => {
      // Answers come in order, so behind a late one every other is late, too: the connection ends.
      const onLate = () => this.#lose("TIMEOUT", `no answer in ${Math.round(timeoutMs)} ms`);
      this.#pending.push({ resolve, reject, timer: this.#clock.after(Math.max(0, timeoutMs), onLate) });
      this.#socket.write(encodeCommand(words));
    });
  }

  /** Takes nothing new, and ends once what is under way is answered. */
  retire(): void {
    this.#retired = true;
    if (this.#pending.length === 0) this.#socket.destroySoon();
  }

  /** Ends now. */
  drop(): void {
    this.#lose("UPSTREAM_RESET", "the connection was dropped");
  }

  #read(chunk: Buffer): void {
    this.#parser.push(chunk);
    for (;;) {
      const next = this.#parser.next();
      if (next.state === "more") return;
      const pending = next.state === "done" ? this.#pending.shift() : undefined;
      if (next.state === "invalid" || !pending) return this.#lose("UPSTREAM_INVALID", "not an answer of a replica");
      pending.timer.cancel();
      pending.resolve(next.value);
      if (this.#retired && this.#pending.length === 0) this.#socket.destroySoon();
    }
  }

  #lose(reason: Reason, why: string): void {
    if (this.#lost) return;
    this.#lost = errorOf(reason, why);
    this.#socket.resetAndDestroy();
    for (const pending of this.#pending.splice(0)) {
      pending.timer.cancel();
      pending.reject(this.#lost);
    }
  }
}

function errorOf(reason: Reason, why: string): TrafficError {
  return new TrafficError(reason, why, { origin: "upstream", retryable: true });
}
