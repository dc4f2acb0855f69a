import type { Socket } from "node:net";
import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Timer } from "#shared/core/clock.ts";
import type { Decision } from "#shared/observe/decisions.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Host } from "#shared/server/service.ts";
import { workerCount } from "#shared/server/workers.ts";
import type { Sharing } from "#shared/net/listen.ts";
import { Admission } from "../admission.ts";
import { Connections } from "../connections.ts";
import type { Connection } from "../connections.ts";
import { carry } from "./carry.ts";
import type { Bound, ForwardListener } from "./listener.ts";
import { connectionsToMove } from "./rebalance.ts";
import { shareOfLimits, shareOfListener } from "./share.ts";
import { listenUdpSessions, sessionsLimit } from "./udp.ts";
import type { UdpSession } from "./udp-session.ts";

const bytesReportedEveryMs = 1_000; // a connection may live for days; its bytes must not wait for its end

/** Everything that this process itself carries. */
export class UserspaceTraffic {
  readonly #host: Host;
  readonly #connections = new Connections();
  readonly #sessions = new Set<UdpSession>();
  readonly #admission: Admission;
  readonly #poolNamed: (name: string) => Pool | undefined;
  #config: L4ForwarderConfig;
  #report: Timer;
  readonly #workers: number;

  constructor(config: L4ForwarderConfig, host: Host, poolNamed: (name: string) => Pool | undefined) {
    this.#host = host;
    this.#poolNamed = poolNamed;
    this.#config = config;
    this.#workers = workerCount(config);
    this.#admission = new Admission(shareOfLimits(config.limits, this.#workers), host.clock);
    this.#report = this.#reportLater();
  }

  /** A reload: holds for what begins from now on. */
  set config(config: L4ForwarderConfig) {
    this.#config = config;
    this.#admission.limits = shareOfLimits(config.limits, this.#workers);
  }

  get count(): number {
    return this.#connections.count + this.#sessions.size;
  }

  /** @throws {UsageError} naming address and port, if it is taken or not ours */
  listen(address: string, listener: ForwardListener, sharing: Sharing | undefined): Promise<Bound> {
    if (listener.config.protocol === "udp")
      return listenUdpSessions(address, sharing, listener, () => this.#udpContext(), sessionsLimit(trafficLimit.max));
    return listenTcp({
      address,
      sharing,
      allowHalfOpen: true,
      onConnection: (socket) => void this.#carry(socket, listener),
      onRefused: () => listener.countRefused(),
    });
  }

  find(name: string): Decision | undefined {
    return this.#connections.find(name)?.decision();
  }

  /** Rows of `GET /connections`. */
  rows(pool: string | undefined, max: number): { total: number; rows: Record<string, unknown>[] } {
    const live = [...this.#connections.live(), ...this.#sessions].filter(
      (one) => pool === undefined || one.pool === pool,
    );
    return { total: live.length, rows: live.slice(0, max).map((one) => one.describe()) };
  }

  /** Resolves once no connection is under way. */
  idle(): Promise<void> {
    return this.#connections.idle();
  }

  /** Cuts what is left. */
  async stop(): Promise<void> {
    this.#report.cancel();
    this.#connections.cutAll("DRAINING");
    await this.#connections.idle();
  }

  /** Resets some long connections of a listener whose servers have uneven numbers of them; once a second. */
  rebalance(listener: ForwardListener): void {
    const { rebalance } = shareOfListener(listener.config, this.#workers);
    if (!rebalance) return;
    const own = [...this.#connections.live()].filter(
      (connection) => connection.listener === listener.address && connection.pool === listener.pool.name,
    );
    const rules = { olderThanMs: rebalance.olderThanMs, max: rebalance.perSecond };
    for (const connection of connectionsToMove(own, listener.pool.endpoints, rules, this.#host.random))
      connection.cut("REBALANCED");
  }

  /** Reports no more; for a forwarder that did not open. */
  abandon(): void {
    this.#report.cancel();
  }

  async #carry(socket: Socket, listener: ForwardListener): Promise<void> {
    listener.countActive(1);
    const connection = await carry(socket, {
      host: this.#host,
      connections: this.#connections,
      address: listener.address,
      pool: listener.pool,
      poolNamed: this.#poolNamed,
      listener: shareOfListener(listener.config, this.#workers),
      room: listener.room,
      admission: this.#admission,
      timeouts: this.#config.timeouts,
      localAddress: this.#config.localAddress,
    });
    this.#account(connection);
    this.#show(connection);
    const { pool, reason = "OK" } = connection;
    this.#host.metrics.count("watershed_l4_connections_total", { listener: listener.address, pool, reason });
    listener.countActive(-1);
  }

  /** To whoever looks on. */
  #show(connection: Connection): void {
    const { clock, decisions } = this.#host;
    const id = decisions.draw(clock);
    if (id !== undefined) decisions.record(id, connection.decision());
  }

  #udpContext() {
    const { timeouts, localAddress } = this.#config;
    return {
      host: this.#host,
      admission: this.#admission,
      timeouts,
      localAddress,
      workers: this.#workers,
      sessions: this.#sessions,
      account: (session: UdpSession) => this.#account(session),
    };
  }

  #reportLater(): Timer {
    return this.#host.clock.after(bytesReportedEveryMs, () => {
      for (const connection of this.#connections.live()) this.#account(connection);
      for (const session of this.#sessions) this.#account(session);
      this.#report = this.#reportLater();
    });
  }

  #account(one: { readonly listener: string; takeBytes(): { readonly up: number; readonly down: number } }): void {
    const { listener } = one;
    const { up, down } = one.takeBytes();
    if (up > 0) this.#host.metrics.count("watershed_l4_bytes_total", { listener, direction: "up" }, up);
    if (down > 0) this.#host.metrics.count("watershed_l4_bytes_total", { listener, direction: "down" }, down);
  }
}
