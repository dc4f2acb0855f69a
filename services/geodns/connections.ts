import type net from "node:net";
import { maskAddress, parseAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import type { Clock, Timer } from "#shared/core/clock.ts";
import type { Client } from "./answer.ts";

export interface ConnectionLimits {
  /** Over it the connection that has been idle longest is closed. */
  readonly connectionsMax: number;
  /** Of one address, a /56 for IPv6; over it its own longest idle is closed. */
  readonly perClientMax: number;
  /** Since the last answered query, so that a byte now and then keeps nothing open. */
  readonly idleMs: number;
  /** Answered on one connection before it is ended; undefined: no limit. */
  readonly queriesMax: number | undefined;
}

export interface ConnectionTableOptions {
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /** A connection was closed by us. */
  readonly onClosed?: (why: "idle" | "evicted") => void;
}

const ipv6ClientPrefix = 56; // what one customer gets (RFC 6177)

/** One connection of a client, over TCP, TLS or HTTPS. */
export class Connection {
  readonly client: Client;
  /** Who shares its limit. */
  readonly clientKey: string;
  lastAnswerMs: number;
  queries = 0;
  /** Ends it once what was asked is answered; of the protocol it speaks. */
  finish: () => void;
  /** Cuts it. */
  destroy: () => void;
  readonly #table: ConnectionTable;

  constructor(socket: net.Socket, address: AddressBytes, nowMs: number, table: ConnectionTable) {
    this.client = { address };
    this.clientKey = (address.length === 16 ? maskAddress(address, ipv6ClientPrefix) : address).join(".");
    this.lastAnswerMs = nowMs;
    this.#table = table;
    this.finish = () => socket.destroySoon();
    this.destroy = () => void socket.destroy();
  }

  /** To be called for each query that was answered.
   * @returns false if it was the last one that may be */
  answered(): boolean {
    this.queries++;
    this.#table.touch(this);
    const { queriesMax } = this.#table.limits;
    return queriesMax === undefined || this.queries < queriesMax;
  }
}

/** The connections of every listener of the server that is not UDP: how many, whose, and how long idle.
 * @see RFC 7766 §6.2 */
export class ConnectionTable {
  readonly #clock: Clock;
  readonly #onClosed: NonNullable<ConnectionTableOptions["onClosed"]>;
  /** The longest idle first. */
  readonly #connections = new Set<Connection>();
  /** The same by client. */
  readonly #byClient = new Map<string, Set<Connection>>();
  #limits: ConnectionLimits;
  #sweep: Timer | undefined;
  #onEmpty: () => void = () => {};

  constructor({ limits, clock, onClosed }: ConnectionTableOptions) {
    this.#clock = clock;
    this.#limits = limits;
    this.#onClosed = onClosed ?? (() => {});
  }

  get count(): number {
    return this.#connections.size;
  }

  get limits(): ConnectionLimits {
    return this.#limits;
  }

  /** A reload. Connections over a lower cap go as new ones come. */
  setLimits(limits: ConnectionLimits): void {
    this.#limits = limits;
    this.#scheduleSweep();
  }

  /** Takes a connection in, if need be in place of the longest idle; undefined if it is gone already. */
  add(socket: net.Socket): Connection | undefined {
    socket.on("error", () => {}); // a reset: "close" follows
    const address = parseAddress((socket.remoteAddress ?? "").replace(/%.*$/, ""));
    if (!address) return void socket.destroy();
    const connection = new Connection(socket, address, this.#clock.nowMs(), this);
    const own = this.#byClient.get(connection.clientKey);
    if (own && own.size >= this.#limits.perClientMax) this.#close(own, "evicted");
    while (this.#connections.size >= this.#limits.connectionsMax) this.#close(this.#connections, "evicted");
    this.#insert(connection);
    socket.on("close", () => this.#remove(connection));
    return connection;
  }

  /** It was answered: the least idle of all. */
  touch(connection: Connection): void {
    if (!this.#connections.has(connection)) return;
    this.#remove(connection, false);
    connection.lastAnswerMs = this.#clock.nowMs();
    this.#insert(connection);
  }

  /** Ends every connection once it has its answers; resolves when none is left. */
  finish(): Promise<void> {
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    for (const connection of this.#connections) connection.finish();
    if (this.#connections.size === 0) this.#onEmpty();
    return empty;
  }

  close(): void {
    this.#sweep?.cancel();
    for (const connection of this.#connections) connection.destroy();
  }

  #insert(connection: Connection): void {
    this.#connections.add(connection);
    const own = this.#byClient.get(connection.clientKey);
    if (own) own.add(connection);
    else this.#byClient.set(connection.clientKey, new Set([connection]));
    if (!this.#sweep) this.#scheduleSweep();
  }

  #remove(connection: Connection, isGone = true): void {
    this.#connections.delete(connection);
    const own = this.#byClient.get(connection.clientKey);
    own?.delete(connection);
    if (own?.size === 0) this.#byClient.delete(connection.clientKey);
    if (isGone && this.#connections.size === 0) this.#onEmpty();
  }

  /** Closes the first of these, which is the longest idle. */
  #close(connections: ReadonlySet<Connection>, why: "idle" | "evicted"): void {
    const [connection] = connections;
    if (!connection) return;
    this.#remove(connection);
    connection.destroy();
    this.#onClosed(why);
  }

  /** One timer for all: for the connection that has been idle longest. */
  #scheduleSweep(): void {
    this.#sweep?.cancel();
    this.#sweep = undefined;
    const [oldest] = this.#connections;
    if (!oldest) return;
    const dueMs = oldest.lastAnswerMs + this.#limits.idleMs;
    this.#sweep = this.#clock.after(Math.max(0, dueMs - this.#clock.nowMs()), () => this.#closeIdle());
  }

  #closeIdle(): void {
    this.#sweep = undefined;
    const nowMs = this.#clock.nowMs();
    for (const connection of this.#connections) {
      if (connection.lastAnswerMs + this.#limits.idleMs > nowMs) break;
      this.#close(this.#connections, "idle");
    }
    this.#scheduleSweep();
  }
}
