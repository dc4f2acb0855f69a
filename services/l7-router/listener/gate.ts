import type { Socket } from "node:net";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { AccessList } from "#l7-router/access/access-list.ts";
import { clientKey } from "#l7-router/policy/rate-limit.ts";
import { refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";

/** How many connections there may be in this process. */
export interface ConnectionCaps {
  /** Of one address, IPv6 of one /64. */
  readonly connectionsPerClient?: number | undefined;
  /** Of all. */
  readonly connections?: number | undefined;
}

/** What becomes of a connection: it is taken, it is taken to be told why it must go, or it is reset. */
export type Entry = "taken" | Refusal | "reset";

/** Why a connection was not taken as any other. */
export type RefusedBy = "client" | "all" | "descriptors" | "handshakes" | "list";

const toldMaxPerClient = 16; // over the cap: enough for a browser and a health check to be told why
const toldMax = 64; // over the cap of all: 503s of a second, at the pace at which clients come back

const tooManyOfClient = refusal(429, "LIMIT_REACHED", "this client has too many connections", ["Retry-After", "1"]);
const tooMany = refusal(503, "LIMIT_REACHED", "this router has too many connections", ["Retry-After", "1"]);

/** @throws {UsageError} if the file descriptors of this process do not suffice */
export function checkCaps({ connections }: ConnectionCaps, descriptorsAllow = trafficLimit.max): void {
  if (connections !== undefined && connections > descriptorsAllow)
    throw new UsageError(
      `limits.connections: ${connections} connections need more file descriptors than this process may have; they suffice for ${descriptorsAllow} (ulimit -n)`,
    );
}

/** Every connection of clients of a process, by the address that it comes from. */
export class Gate {
  readonly #metrics: Metrics;
  readonly #byClient = new Map<string, Set<Socket>>();
  /** By the listener that has accepted it. */
  readonly #listeners = new Map<Socket, string>();
  readonly #closedTo: (listener: string) => AccessList | undefined;
  caps: ConnectionCaps = {};
  /** Whose connections are many clients': they have no cap of their own, and no list is for them. */
  isTrusted: (address: string) => boolean = () => false;

  /** @param closedTo denied addresses are reset at this listener, as its config is now */
  constructor(metrics: Metrics, closedTo: (listener: string) => AccessList | undefined) {
    this.#metrics = metrics;
    this.#closedTo = closedTo;
  }

  get openCount(): number {
    return this.#listeners.size;
  }

  /** A connection was accepted; it is forgotten when it closes. */
  enter(socket: Socket, listener: string): Entry {
    const { connectionsPerClient = Number.POSITIVE_INFINITY, connections = Number.POSITIVE_INFINITY } = this.caps;
    const peer = peerOf(socket);
    const isTrusted = this.isTrusted(peer);
    if (!isTrusted && this.#closedTo(listener)?.whyDenied(peer) !== undefined) return this.refused("list", "reset");
    const key = clientKey(peer);
    const own = this.#byClient.get(key) ?? new Set();
    const mine = isTrusted ? 0 : own.size;
    if (mine >= connectionsPerClient + toldMaxPerClient) return this.refused("client", "reset");
    if (this.openCount >= connections + toldMax) return this.refused("all", "reset");
    this.#byClient.set(key, own.add(socket));
    this.#listeners.set(socket, listener);
    socket.once("close", () => this.#left(socket, key, own));
    if (mine >= connectionsPerClient) return this.refused("client", tooManyOfClient);
    return this.openCount > connections ? this.refused("all", tooMany) : "taken";
  }

  /** Counts a connection that is refused. */
  refused<Verdict>(by: RefusedBy, verdict: Verdict): Verdict {
    this.#metrics.count("watershed_http_connections_refused_total", { by });
    return verdict;
  }

  /** A list has changed: connections of whoever is denied now are reset, whatever is under way on them. */
  clear(): void {
    for (const [socket, listener] of this.#listeners) {
      const closedTo = this.#closedTo(listener);
      const peer = closedTo ? peerOf(socket) : "";
      if (!closedTo || this.isTrusted(peer) || closedTo.whyDenied(peer) === undefined) continue;
      this.refused("list", undefined);
      socket.resetAndDestroy();
    }
  }

  #left(socket: Socket, key: string, own: Set<Socket>): void {
    this.#listeners.delete(socket);
    own.delete(socket);
    if (own.size === 0) this.#byClient.delete(key);
  }
}

function peerOf({ remoteAddress = "" }: Socket): string {
  const bytes = parseAddress(remoteAddress);
  return bytes ? formatAddress(bytes) : "";
}
