import type { L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Timer } from "#shared/core/clock.ts";
import { messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import type { Sharing } from "#shared/net/listen.ts";
import type { Host } from "#shared/server/service.ts";
import { WaitingRoom } from "./waiting-room.ts";

export interface ForwardListenerOptions {
  readonly host: Host;
  readonly config: L4ListenerConfig;
  readonly pool: Pool;
  /** Binds its address and takes what comes there.
   * @throws {UsageError} naming address and port, if it is taken or not ours */
  listen(address: string, listener: ForwardListener, sharing: Sharing | undefined): Promise<Bound>;
}

/** A socket that takes connections or datagrams. */
export interface Bound {
  /** The real "address:port". */
  readonly address: string;
  close(): Promise<void>;
}

const reopenAfterMs = 1_000; // somebody else took the port while we had closed it

/** A listening address that is open only while its pool has an eligible endpoint, so that a connect tells the tier above the
 * truth before a byte is sent. Connections live on while it is closed. */
export class ForwardListener {
  /** Where connections wait while every server is full. */
  readonly room: WaitingRoom;
  readonly #options: ForwardListenerOptions;
  #config: L4ListenerConfig;
  #pool: Pool;
  #address: string;
  #bound: Bound | undefined;
  #sharing: Sharing | undefined;
  #own = 0;
  #counted = 0;
  #isStopped = false;
  #following: Promise<void> = Promise.resolve();
  #reopen: Timer | undefined;
  #unfollow: () => void;

  constructor(options: ForwardListenerOptions) {
    this.#options = options;
    this.room = new WaitingRoom(options.host.clock);
    this.#config = options.config;
    this.#pool = options.pool;
    this.#address = options.config.address;
    this.#sharing = options.host.sharing;
    this.#unfollow = this.#pool.onChange(() => void this.#follow());
  }

  /** The real "address:port", also where port 0 was asked for. */
  get address(): string {
    return this.#address;
  }

  get config(): L4ListenerConfig {
    return this.#config;
  }

  get pool(): Pool {
    return this.#pool;
  }

  get isOpen(): boolean {
    return this.#bound !== undefined;
  }

  get active(): number {
    return this.#own + this.#counted;
  }

  /** Says how many connections the kernel carries for it. */
  setCounted(count: number): void {
    if (count < this.#counted) this.room.free(this.#counted - count);
    this.#counted = count;
    this.#reportActive();
  }

  /** Why it is closed, or OK. */
  get reason(): Reason {
    if (this.isOpen) return "OK";
    if (this.#isStopped) return "DRAINING";
    if (this.#pool.eligibleCount > 0) return "STARTING";
    return this.#pool.endpoints.length === 0 ? "NO_ENDPOINT" : "NO_HEALTHY";
  }

  /** Takes the address once, so that a taken port is an error of the start; then follows the pool.
   * @throws {UsageError} naming address and port, if it is taken or not ours */
  async bind(): Promise<void> {
    const bound = await this.#listen();
    // Only once is it looked whether somebody else has the port: later it is the other processes of the node that have it.
    if (this.#sharing) this.#sharing = "next";
    this.#address = bound.address;
    if (this.#isWanted()) this.#opened(bound);
    else await bound.close();
    await this.#follow();
  }

  /** A reload: new connections go by the new config. */
  async reconfigure(config: L4ListenerConfig, pool: Pool): Promise<void> {
    this.#config = config;
    if (pool !== this.#pool) {
      this.#unfollow();
      this.#pool = pool;
      this.#unfollow = pool.onChange(() => void this.#follow());
    }
    await this.#follow();
  }

  /** Closes for good; connections live on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#unfollow();
    this.#reopen?.cancel();
    await this.#follow();
  }

  #isWanted(): boolean {
    return !this.#isStopped && this.#pool.eligibleCount > 0;
  }

  /** Opens or closes until that is what the pool wants; never twice at the same time. */
  #follow(): Promise<void> {
    this.#following = this.#following.then(() => this.#settle());
    return this.#following;
  }

  async #settle(): Promise<void> {
    while (this.#isWanted() !== this.isOpen) {
      if (this.#bound) await this.#close(this.#bound);
      else if (!(await this.#open())) return;
    }
  }

  async #close(bound: Bound): Promise<void> {
    this.#bound = undefined;
    const { reason } = this;
    await bound.close();
    this.#tell("listener_closed", reason);
  }

  /** @returns whether it is open now; if not, another try follows */
  async #open(): Promise<boolean> {
    this.#reopen?.cancel();
    try {
      this.#opened(await this.#listen());
      return true;
    } catch (error) {
      this.#options.host.log.error({ listener: this.#address, error: messageOf(error) }, "listener_not_opened");
      this.#reopen = this.#options.host.clock.after(reopenAfterMs, () => void this.#follow());
      return false;
    }
  }

  #listen(): Promise<Bound> {
    return this.#options.listen(this.#address, this, this.#sharing);
  }

  #opened(bound: Bound): void {
    this.#bound = bound;
    this.#tell("listener_open", "OK");
  }

  #tell(type: "listener_open" | "listener_closed", reason: Reason): void {
    const { events, log } = this.#options.host;
    const data = { listener: this.#address, pool: this.#pool.name, reason };
    events.emit(type, data);
    log.info(data, type);
  }

  /** One more connection, or one less: -1. */
  countActive(by: number): void {
    this.#own += by;
    this.#reportActive();
  }

  /** One was closed at once. */
  countRefused(): void {
    const labels = { listener: this.#address, pool: this.#pool.name, reason: "LIMIT_REACHED" };
    this.#options.host.metrics.count("watershed_l4_connections_total", labels);
  }

  #reportActive(): void {
    this.#options.host.metrics.set("watershed_l4_active_connections", { listener: this.#address }, this.active);
  }
}
