import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import { formatAddress, formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import type { SocketAddress } from "#shared/core/cidr.ts";
import type { Clock } from "#shared/core/clock.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Choice } from "#shared/endpoint/status.ts";
import { tlvAffinity, tlvUniqueId } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { reset } from "./userspace/reset.ts";

const closedKept = 512; // for a trace that asks just after the end
const detailedKept = 512; // candidates are many: only the youngest connections keep theirs
const attemptsKept = 16; // of one connection, the last ones; each lists every candidate

/** One try at one server. */
export interface ConnectAttempt {
  readonly choice: Choice;
  readonly outcome: Reason;
  readonly tookMs: number;
}

/** One connection of a client, from accept to its end. */
export class Connection {
  readonly id: string = randomUUID();
  readonly listener: string;
  /** Of its listener, or where its server name leads. */
  pool: string;
  /** The two ends of the accepted socket. */
  readonly downstream: SocketAddress;
  readonly local: SocketAddress;
  readonly openedAt: string = new Date().toISOString();
  /** As the PROXY header says, if there was one; else the downstream side. */
  client: SocketAddress;
  /** Where the client had connected to, likewise. */
  destination: SocketAddress;
  /** The id that the PROXY header gave, or our own; goes on to the server. */
  uniqueId: Uint8Array;
  /** What a router wants to keep together, if its PROXY header says so. */
  affinity: Uint8Array | undefined;
  attempts: readonly ConnectAttempt[] = [];
  bytesUp = 0;
  bytesDown = 0;
  /** Undefined while it lives. */
  reason: Reason | undefined;
  readonly #clock: Clock;
  readonly #openedMs: number;
  #closedMs: number | undefined;
  #cutFor: Reason | undefined;
  #takenUp = 0;
  #takenDown = 0;
  #server: { readonly address: string; readonly name: string; readonly local: string } | undefined;
  /** Undefined once it is over: what is kept for a trace must not keep sockets. */
  #downstreamSocket: Socket | undefined;
  #upstreamSocket: Socket | undefined;

  constructor(socket: Socket, clock: Clock, names: { readonly listener: string; readonly pool: string }) {
    this.#downstreamSocket = socket;
    this.#clock = clock;
    this.#openedMs = clock.nowMs();
    this.listener = names.listener;
    this.pool = names.pool;
    this.downstream = { host: plainHost(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.local = { host: plainHost(socket.localAddress), port: socket.localPort ?? 0 };
    this.client = this.downstream;
    this.destination = this.local;
    this.uniqueId = Buffer.from(this.id);
  }

  /** Takes over what the PROXY header says. */
  introduce(header: ProxyHeader): void {
    this.client = header.source ?? this.downstream;
    this.destination = header.destination ?? this.local;
    this.uniqueId = header.tlvs.find((tlv) => tlv.type === tlvUniqueId)?.value ?? this.uniqueId;
    this.affinity = header.tlvs.find((tlv) => tlv.type === tlvAffinity)?.value;
  }

  connected(socket: Socket, endpoint: Endpoint): void {
    const local = formatSocketAddress(plainHost(socket.localAddress), socket.localPort ?? 0);
    this.#server = { address: endpoint.id, name: endpoint.name, local };
    this.#upstreamSocket = socket;
  }

  /** Resets it, whatever it is doing. */
  cut(reason: Reason): void {
    this.#cutFor ??= reason;
    if (this.#downstreamSocket) reset(this.#downstreamSocket);
  }

  /** "host:port" of its server; undefined before it has one. */
  get server(): string | undefined {
    return this.#server?.address;
  }

  get ageMs(): number {
    return (this.#closedMs ?? this.#clock.nowMs()) - this.#openedMs;
  }

  closed(reason: Reason): void {
    this.reason = this.#cutFor ?? reason;
    this.#closedMs = this.#clock.nowMs();
    this.#downstreamSocket = undefined;
    this.#upstreamSocket = undefined;
  }

  tried(attempt: ConnectAttempt): void {
    this.attempts = [...this.attempts.slice(1 - attemptsKept), attempt];
  }

  /** The bytes carried since it was last asked. */
  takeBytes(): { readonly up: number; readonly down: number } {
    const taken = { up: this.bytesUp - this.#takenUp, down: this.bytesDown - this.#takenDown };
    this.#takenUp = this.bytesUp;
    this.#takenDown = this.bytesDown;
    return taken;
  }

  forgetCandidates(): void {
    this.attempts = this.attempts.map((attempt) => ({ ...attempt, choice: { ...attempt.choice, candidates: [] } }));
  }

  /** The words under which `find` knows it. */
  names(): readonly string[] {
    return [formatSocketAddress(this.downstream.host, this.downstream.port), textOf(this.uniqueId), this.id];
  }

  /** A row of `GET /connections`. Held bytes are those read and not yet taken by the kernel of the other side. */
  describe(): Record<string, unknown> {
    const down = this.#downstreamSocket;
    const up = this.#upstreamSocket;
    return {
      connection: this.id,
      mode: "userspace",
      uniqueId: textOf(this.uniqueId),
      listener: this.listener,
      downstream: formatSocketAddress(this.downstream.host, this.downstream.port),
      client: formatSocketAddress(this.client.host, this.client.port),
      pool: this.pool,
      server: this.#server?.address ?? null,
      serverName: this.#server?.name ?? null,
      upstreamLocal: this.#server?.local ?? null,
      openedAt: this.openedAt,
      ageMs: Math.round(this.ageMs),
      bytesUp: this.bytesUp,
      bytesDown: this.bytesDown,
      heldUp: (down?.readableLength ?? 0) + (up?.writableLength ?? 0),
      heldDown: (down?.writableLength ?? 0) + (up?.readableLength ?? 0),
      reason: this.reason ?? null,
    };
  }

  /** As `GET /decisions/ID` shows it. */
  decision(): Record<string, unknown> {
    return { ...this.describe(), attempts: this.attempts };
  }
}

/** Every live connection, and the last that have closed. */
export class Connections {
  readonly #live = new Set<Connection>();
  readonly #closed: Connection[] = [];
  readonly #detailed: Connection[] = [];
  readonly #byName = new Map<string, Connection>();
  readonly #idleWaiters: (() => void)[] = [];

  get count(): number {
    return this.#live.size;
  }

  add(connection: Connection): void {
    this.#live.add(connection);
    this.indexNames(connection);
    this.#detailed.push(connection);
    if (this.#detailed.length > detailedKept) this.#detailed.shift()?.forgetCandidates();
  }

  /** Its names may have changed: a PROXY header gave it another id. */
  indexNames(connection: Connection): void {
    for (const name of connection.names()) this.#byName.set(name, connection);
  }

  close(connection: Connection, reason: Reason): void {
    connection.closed(reason);
    this.#live.delete(connection);
    this.#closed.push(connection);
    if (this.#closed.length > closedKept) this.#forget(this.#closed.shift());
    if (this.#live.size === 0) this.#idleWaiters.splice(0).forEach((tell) => tell());
  }

  /** By "ip:port" of its downstream side, by the unique id of its PROXY header, or by its own id. The youngest wins. */
  find(name: string): Connection | undefined {
    return this.#byName.get(name);
  }

  live(): Iterable<Connection> {
    return this.#live;
  }

  cutAll(reason: Reason): void {
    for (const connection of this.#live) connection.cut(reason);
  }

  /** Resolves once no connection is under way. */
  async idle(): Promise<void> {
    if (this.#live.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#idleWaiters.push(resolve);
    });
  }

  #forget(connection: Connection | undefined): void {
    if (!connection) return;
    for (const name of connection.names()) if (this.#byName.get(name) === connection) this.#byName.delete(name);
  }
}

/** IPv4 inside IPv6, as a dual-stack socket shows it, becomes IPv4. */
function plainHost(address: string | undefined): string {
  const bytes = parseAddress(address ?? "");
  return bytes ? formatAddress(bytes) : "0.0.0.0"; // The peer left before we could ask.
}

/** An id as text: as it stands if it is printable ASCII, else in hex. */
function textOf(id: Uint8Array): string {
  const bytes = Buffer.from(id);
  return bytes.every((byte) => byte > 0x20 && byte < 0x7f) ? bytes.toString("latin1") : bytes.toString("hex");
}
