import type net from "node:net";
import { cidrContains, parseAddress } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { silence } from "./silence.ts";
import type { Silence } from "./silence.ts";

/** Peers whose packets are dropped. */
export interface Cut {
  readonly from: readonly Cidr[];
  /** Peers of `from` that stay in reach. */
  readonly except: readonly Cidr[];
}

interface Silenced {
  /** Address of the peer. */
  readonly peer: string;
  readonly silence: Silence;
}

/** Cuts this process off from some of its peers, as if the network between them were gone: dials to them time out,
 * connections go silent, new ones hang, datagrams are lost. For drills of processes that share one network; several cuts add up. */
export class Cuts {
  readonly #cuts = new Map<string, Cut>();
  readonly #open = new Set<net.Socket>();
  readonly #silenced = new Map<net.Socket, Silenced>();
  /** Silenced sockets that their owner has closed, the oldest first. */
  readonly #orphans = new Set<net.Socket>();
  readonly #orphansMax: number;

  constructor(orphansMax = 1_000) {
    this.#orphansMax = orphansMax; // each holds a file descriptor: more than a drill leaves, few enough to go on with
  }

  /** Makes or replaces a cut. */
  set(name: string, cut: Cut): void {
    this.#cuts.set(name, cut);
    this.#apply();
  }

  /** @returns false if there is none of this name */
  remove(name: string): boolean {
    const found = this.#cuts.delete(name);
    if (found) this.#apply();
    return found;
  }

  get names(): readonly string[] {
    return [...this.#cuts.keys()];
  }

  /** Whether packets from and to this peer are dropped. False for what is no IP address. */
  drops(peer: string): boolean {
    if (this.#cuts.size === 0) return false; // All but during drills: every datagram comes past here.
    const address = parseAddress(peer);
    if (!address) return false;
    const isIn = (networks: readonly Cidr[]) => networks.some((network) => cidrContains(network, address));
    return [...this.#cuts.values()].some(({ from, except }) => isIn(from) && !isIn(except));
  }

  /** Cuts off the connections that a server accepts. */
  guard(server: net.Server): void {
    // First: whoever is handed the connection may write to it at once.
    server.prependListener("connection", (socket) => this.watch(socket));
  }

  /** Takes a connection that is open under its control. */
  watch(socket: net.Socket): void {
    this.#open.add(socket);
    socket.once("close", () => this.#closed(socket));
    if (this.#cuts.size > 0) this.#silenceIfCut(socket);
  }

  #apply(): void {
    for (const socket of this.#open) this.#silenceIfCut(socket);
    for (const [socket, { peer }] of this.#silenced) if (!this.drops(peer)) this.#giveBack(socket);
  }

  #silenceIfCut(socket: net.Socket): void {
    const peer = socket.remoteAddress;
    if (peer === undefined || this.#silenced.has(socket) || !this.drops(peer)) return;
    this.#silenced.set(socket, { peer, silence: silence(socket) });
  }

  #giveBack(socket: net.Socket): void {
    this.#silenced.get(socket)?.silence.end();
    this.#silenced.delete(socket);
    this.#orphans.delete(socket);
  }

  #closed(socket: net.Socket): void {
    this.#open.delete(socket);
    if (!this.#silenced.has(socket)) return;
    this.#orphans.add(socket);
    const [oldest] = this.#orphans;
    if (oldest && this.#orphans.size > this.#orphansMax) this.#giveBack(oldest);
  }
}

/** Of everything but the admin API, which stays in reach as a control network would. */
export const trafficCuts = new Cuts();
