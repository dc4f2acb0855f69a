import type { Socket } from "node:net";
import type { L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Timer } from "#shared/core/clock.ts";
import { messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import type { Host } from "#shared/server/service.ts";

export interface ForwardListenerOptions {
  readonly host: Host;
  readonly config: L4ListenerConfig;
  readonly pool: Pool;
  /** Takes an accepted socket; resolves when the connection is over. */
  onConnection(socket: Socket, listener: ForwardListener): Promise<void>;
}

const reopenAfterMs = 1_000; // somebody else took the port while we had closed it

/** A listening address that is open only while its pool has an eligible endpoint, so that a connect tells the tier above the
 * truth before a byte is sent. Connections live on while it is closed. */
export class ForwardListener {
  readonly #options: ForwardListenerOptions;
  #config: L4ListenerConfig;
  #pool: Pool;
  #address: string;
  #tcp: TcpListener | undefined;
  #own = 0;
  #counted = 0;
  #isStopped = false;
  #following: Promise<void> = Promise.resolve();
  #reopen: Timer | undefined;
  #unfollow: () => void;

  constructor(options: ForwardListenerOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#pool = options.pool;
    this.#address = options.config.address;
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
    return this.#tcp !== undefined;
  }

  get active(): number {
    return this.#own + this.#counted;
  }

  /** Says how many connections the kernel carries for it. */
  setCounted(count: number): void {
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
    const tcp = await this.#listen();
    this.#address = tcp.address;
    if (this.#isWanted()) this.#opened(tcp);
    else await tcp.close();
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
      if (this.#tcp) await this.#close(this.#tcp);
      else if (!(await this.#open())) return;
    }
  }

  async #close(tcp: TcpListener): Promise<void> {
    this.#tcp = undefined;
    const { reason } = this;
    await tcp.close();
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

  #listen(): Promise<TcpListener> {
    return listenTcp({
      address: this.#address,
      allowHalfOpen: true,
      onConnection: (socket) => void this.#take(socket),
      onRefused: () => this.#countRefused(),
    });
  }

  #opened(tcp: TcpListener): void {
    this.#tcp = tcp;
    this.#tell("listener_open", "OK");
  }

  #tell(type: "listener_open" | "listener_closed", reason: Reason): void {
    const { events, log } = this.#options.host;
    const data = { listener: this.#address, pool: this.#pool.name, reason };
    events.emit(type, data);
    log.info(data, type);
  }

  async #take(socket: Socket): Promise<void> {
    this.#countActive(1);
    await this.#options.onConnection(socket, this);
    this.#countActive(-1);
  }

  #countRefused(): void {
    const labels = { listener: this.#address, pool: this.#pool.name, reason: "LIMIT_REACHED" };
    this.#options.host.metrics.count("watershed_l4_connections_total", labels);
  }

  #countActive(by: number): void {
    this.#own += by;
    this.#reportActive();
  }

  #reportActive(): void {
    this.#options.host.metrics.set("watershed_l4_active_connections", { listener: this.#address }, this.active);
  }
}
