import type { Socket } from "node:net";
import type { OriginServerConfig } from "#shared/config/schema/origin.ts";
import type { Clock } from "#shared/core/clock.ts";
import type { Random } from "#shared/core/random.ts";
import type { Logger } from "#shared/observe/log.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Gate } from "../gate.ts";

/** Who a server says it is. */
export interface Identity {
  readonly server: string;
  readonly service: string;
  readonly zone: string | null;
  readonly region: string | null;
}

/** What a server lends to its kind. */
export interface ServerContext {
  readonly identity: Identity;
  /** Own IP address, for connections that the server opens itself. */
  readonly host: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly gate: Gate;
  readonly draining: boolean;
  /** Of a server that works jobs off. */
  readonly jobs: OriginServerConfig["jobs"];
  /** Counts one request that is being answered. Health checks are not counted. */
  answered(): void;
}

/** An accepted connection whose PROXY header, if one is due, has been read. Its socket may be paused. */
export interface Connection {
  readonly socket: Socket;
  readonly proxy: ProxyHeader | undefined;
}

interface KindBase {
  /** What only this kind shows in the status of its server. */
  status(): Record<string, unknown>;
  /** Ends idle connections, and those that never end by themselves; what is under way is answered first. */
  finish(): void;
  /** The server stops: lets go of the connections that it opened itself. It may be started again. */
  drop(): void;
}

export interface TcpKind extends KindBase {
  readonly protocol: "tcp";
  serve(connection: Connection): void;
}

export interface UdpKind extends KindBase {
  readonly protocol: "udp";
  receive(datagram: Buffer, answer: (text: string) => void): void;
}

/** What a server does with what it gets. It knows no listener and no drill but the gate. */
export type Kind = TcpKind | UdpKind;

export const idleTimeoutMs = 120_000; // longer than any forwarder's or router's own limit in the stack
