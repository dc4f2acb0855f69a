import { listenUdp } from "#shared/net/listen-udp.ts";
import type { UdpPeer } from "#shared/net/listen-udp.ts";
import { hash32 } from "#shared/core/hash.ts";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import type { Reason } from "#shared/core/error.ts";
import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { Sharing } from "#shared/net/listen.ts";
import type { Host } from "#shared/server/service.ts";
import type { Admission } from "../admission.ts";
import type { Bound, ForwardListener } from "./listener.ts";
import { shareOfListener } from "./share.ts";
import { UdpSession } from "./udp-session.ts";

/** What the sessions of a listener need, as it stands at the moment. */
export interface UdpContext {
  readonly host: Host;
  readonly admission: Admission;
  readonly timeouts: L4ForwarderConfig["timeouts"];
  readonly localAddress: string | undefined;
  /** Processes of the node. */
  readonly workers: number;
  /** Sessions of the whole process, for `GET /connections`. */
  readonly sessions: Set<UdpSession>;
  /** Counts the bytes of one that has ended. */
  readonly account: (session: UdpSession) => void;
}

const sessionsMax = 16_384; // of the process: each has a socket of its own; one more ends the oldest
const connectionsShare = 8; // one descriptor for each eight TCP connections: what the reserve for checks leaves

/** How many sessions the file descriptors of this process leave room for, beside so many TCP connections. */
export function sessionsLimit(connectionsMax: number): number {
  return Math.max(1, Math.min(sessionsMax, Math.floor(connectionsMax / connectionsShare)));
}

/** Takes datagrams: those of one client go to one server for as long as they come, and its answers go back to the client from
 * the address that the client knows.
 * @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenUdpSessions(
  address: string,
  sharing: Sharing | undefined,
  listener: ForwardListener,
  context: () => UdpContext,
  limit: number,
): Promise<Bound> {
  const sessions = new UdpSessions(listener, context, limit);
  const bound = await listenUdp({
    address,
    sharing,
    onDatagram: (datagram, from, own) =>
      sessions.take(datagram, from, (answer) => own.send(answer, answer.length, from)),
  });
  return {
    address: bound.address,
    async close() {
      sessions.endAll();
      await bound.close();
    },
  };
}

class UdpSessions {
  readonly #listener: ForwardListener;
  readonly #context: () => UdpContext;
  readonly #limit: number;
  readonly #byClient = new Map<string, UdpSession>();

  constructor(listener: ForwardListener, context: () => UdpContext, limit: number) {
    this.#listener = listener;
    this.#context = context;
    this.#limit = limit;
  }

  take(datagram: Buffer, from: UdpPeer, answer: (datagram: Buffer) => void): void {
    const client = formatSocketAddress(from.address, from.port);
    const session = this.#byClient.get(client) ?? this.#begin(client, from, answer);
    session?.send(datagram);
  }

  endAll(): void {
    for (const session of this.#byClient.values()) session.end("DRAINING");
  }

  #begin(client: string, from: UdpPeer, answer: (datagram: Buffer) => void): UdpSession | undefined {
    const { host, admission, timeouts, localAddress, workers, sessions } = this.#context();
    const listener = this.#listener;
    if (!admission.enter(from.address)) {
      listener.countRefused();
      return undefined;
    }
    if (sessions.size >= this.#limit) oldestOf(sessions)?.end("LIMIT_REACHED");
    const session = new UdpSession({
      client,
      listener: listener.address,
      pool: listener.pool,
      hash: hash32(from.address),
      connectionsMax: shareOfListener(listener.config, workers).connectionsPerServer,
      idleMs: timeouts.udpIdleMs,
      localAddress,
      host,
      answer,
      onEnd: (reason) => this.#end(client, from, session, reason),
    });
    this.#byClient.set(client, session);
    sessions.add(session);
    listener.countActive(1);
    session.begin();
    return session;
  }

  #end(client: string, from: UdpPeer, session: UdpSession, reason: Reason): void {
    const { host, admission, sessions, account } = this.#context();
    account(session);
    this.#byClient.delete(client);
    sessions.delete(session);
    admission.leave(from.address);
    this.#listener.countActive(-1);
    const labels = { listener: this.#listener.address, pool: session.pool, reason };
    host.metrics.count("watershed_l4_connections_total", labels);
  }
}

/** Those that began first stand first: near enough to the one that was silent longest, and at no cost for a datagram. */
function oldestOf(sessions: ReadonlySet<UdpSession>): UdpSession | undefined {
  const [oldest] = sessions;
  return oldest;
}
