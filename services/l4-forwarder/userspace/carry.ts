import type { Socket } from "node:net";
import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { ProxyVersion } from "#shared/config/schema/common.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Timer } from "#shared/core/clock.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import {
  acceptProxyHeader,
  tlvAffinity,
  tlvEndpoint,
  tlvUniqueId,
  tlvZone,
  writeProxyHeader,
} from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Host } from "#shared/server/service.ts";
import type { Admission } from "../admission.ts";
import { Connection } from "../connections.ts";
import type { ConnectAttempt, Connections } from "../connections.ts";
import { acceptClientHello, poolOfName } from "./accept-hello.ts";
import { dialServer } from "./dial.ts";
import type { DialServerOptions, Server } from "./dial.ts";
import { reset } from "./reset.ts";
import { splice } from "./splice.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What a connection needs of the listener that accepted it, as it stands at that moment. */
export interface CarryContext {
  readonly host: Host;
  readonly connections: Connections;
  readonly address: string;
  readonly pool: Pool;
  /** Of the config, by its name. */
  readonly poolNamed: (name: string) => Pool | undefined;
  readonly listener: L4ListenerConfig;
  readonly room: WaitingRoom;
  readonly admission: Admission;
  readonly timeouts: L4ForwarderConfig["timeouts"];
  readonly localAddress: string | undefined;
}

const quickCloseMs = 1_000; // a server that ends sooner, without a byte, has not taken the connection

/** The whole way of one connection. The socket allows half-open and flows to nobody yet: what the client sends early waits
 * in it, and its reset is noticed. Never rejects.
 * @returns the connection, over and accounted */
export async function carry(downstream: Socket, context: CarryContext): Promise<Connection> {
  const { host, connections, pool, admission } = context;
  downstream.on("error", () => {}); // Every error closes the socket, and 'close' is what is acted upon.
  const connection = new Connection(downstream, host.clock, { listener: context.address, pool: pool.name });
  connections.add(connection);
  let reason: Reason;
  try {
    const header = await introduce(downstream, connection, context);
    const { host: client } = connection.client;
    if (!admission.enter(client)) throw tooMany(client);
    try {
      const served = await route(downstream, connection, context);
      reason = await join(downstream, connection, header, { ...context, pool: served });
    } finally {
      admission.leave(client);
      context.room.free(1);
    }
  } catch (error) {
    reset(downstream); // A clean end would look like an answer.
    reason = reasonOf(error, connection, host);
  }
  connections.close(connection, reason);
  return connection;
}

/** Reads the PROXY header, where the listener wants one: without it nothing is forwarded. */
async function introduce(
  downstream: Socket,
  connection: Connection,
  { connections, listener, timeouts }: CarryContext,
): Promise<ProxyHeader | undefined> {
  const { accept } = listener.proxyProtocol;
  if (!accept) return undefined;
  const header = await acceptProxyHeader(downstream, accept, timeouts.proxyHeaderMs);
  connection.introduce(header);
  connections.indexNames(connection);
  return header;
}

/** The pool of the listener, or the one that the server name of a ClientHello leads to. */
async function route(
  downstream: Socket,
  connection: Connection,
  { listener, pool, poolNamed, timeouts }: CarryContext,
): Promise<Pool> {
  if (!listener.sni) return pool;
  const name = poolOfName(await acceptClientHello(downstream, timeouts.clientHelloMs), listener.sni);
  const served = name === undefined ? pool : (poolNamed(name) ?? pool);
  connection.pool = served.name;
  return served;
}

/** From the choice of a server to the end of both sides. */
async function join(
  downstream: Socket,
  connection: Connection,
  header: ProxyHeader | undefined,
  context: CarryContext,
): Promise<Reason> {
  const { host, listener, timeouts } = context;
  const { clock } = host;
  const { socket: upstream, endpoint } = await connectServer(downstream, connection, header, context);
  const unfollow = followServer(endpoint, connection, context);
  const connectedMs = clock.nowMs();
  try {
    const { send } = listener.proxyProtocol;
    if (send) upstream.write(headerFor(connection, endpoint, header, send));
    const { idleMs, halfClosedMs } = timeouts;
    const onAnswer = () => endpoint.succeeded(clock.nowMs());
    // By far the most servers that are broken behind their accept look like this.
    const onSilentEnd = () => {
      const nowMs = clock.nowMs();
      if (nowMs - connectedMs < quickCloseMs) endpoint.failed(nowMs, "UPSTREAM_RESET");
    };
    const ends = { downstream, upstream, onAnswer, onSilentEnd };
    const reason = await splice({ ...ends, clock, idleMs, halfClosedMs, traffic: connection });
    if (reason === "UPSTREAM_RESET" && connection.bytesDown === 0) onSilentEnd();
    return reason;
  } finally {
    unfollow();
    endpoint.end();
  }
}

/** Ends the connection when its server goes, as far as the listener says so.
 * @returns how to stop following */
function followServer(endpoint: Endpoint, connection: Connection, { host, listener }: CarryContext): () => void {
  const { onDown, onDrain } = listener;
  let timer: Timer | undefined;
  const unfollow = endpoint.onIneligible(() => {
    const { state } = endpoint.standing;
    if (state === "down" && onDown === "reset") connection.cut("UNHEALTHY");
    if (state !== "draining" || onDrain === "keep") return;
    if (onDrain === "reset") connection.cut("DRAINING");
    else timer ??= host.clock.after(onDrain.finishWithinMs, () => connection.cut("DRAINING"));
  });
  return () => {
    timer?.cancel();
    unfollow();
  };
}

function tooMany(client: string): TrafficError {
  return new TrafficError("LIMIT_REACHED", `${client} has as many connections as it may`, { origin: "downstream" });
}

/** Picks and dials. A client that resets meanwhile ends the dial; one that only ended its side still wants its answer. */
async function connectServer(
  downstream: Socket,
  connection: Connection,
  header: ProxyHeader | undefined,
  { pool, listener, room, timeouts, localAddress }: CarryContext,
): Promise<Server> {
  const gone = new AbortController();
  const { signal } = gone;
  const abort = () => gone.abort();
  if (downstream.destroyed) abort();
  downstream.once("close", abort);
  const { affinity, client } = connection;
  const options = {
    hash: hash32(affinity ? Buffer.from(affinity).toString("latin1") : client.host),
    // A check that comes through us must see every server, so that it says something about the pool.
    balance: header?.command === "LOCAL" ? ("round-robin" as const) : undefined,
    timeouts,
    localAddress,
    connectionsMax: listener.connectionsPerServer,
    signal,
    onAttempt: (attempt: ConnectAttempt) => connection.tried(attempt),
  };
  try {
    const server = await dialOrWait(pool, options, room, listener.queue);
    connection.connected(server.socket, server.endpoint);
    return server;
  } finally {
    downstream.off("close", abort);
  }
}

/** While every server is full the connection waits its turn, as far as the listener has a queue. */
async function dialOrWait(
  pool: Pool,
  options: DialServerOptions,
  room: WaitingRoom,
  queue: L4ListenerConfig["queue"],
): Promise<Server> {
  const endMs = pool.clock.nowMs() + (queue?.timeoutMs ?? 0);
  for (;;) {
    try {
      return await dialServer(pool, options);
    } catch (error) {
      const leftMs = endMs - pool.clock.nowMs();
      const mayWait = error instanceof TrafficError && error.reason === "LIMIT_REACHED" && queue && leftMs > 0;
      if (!mayWait || !(await room.wait(queue.length, leftMs, options.signal))) throw error;
    }
  }
}

/** The header for the server: who the client is, and the id under which each tier knows this connection. */
function headerFor(
  connection: Connection,
  { name, zone }: Endpoint,
  accepted: ProxyHeader | undefined,
  version: ProxyVersion,
): Buffer {
  const tlvs = [
    { type: tlvUniqueId, value: connection.uniqueId },
    { type: tlvEndpoint, value: Buffer.from(name) },
    ...(zone === undefined ? [] : [{ type: tlvZone, value: Buffer.from(zone) }]),
    ...(connection.affinity ? [{ type: tlvAffinity, value: connection.affinity }] : []),
  ];
  if (accepted?.command === "LOCAL") return writeProxyHeader({ version, command: "LOCAL", tlvs });
  const { client: source, destination } = connection;
  return writeProxyHeader({ version, command: "PROXY", source, destination, tlvs });
}

function reasonOf(error: unknown, connection: Connection, { log }: Host): Reason {
  if (error instanceof TrafficError) return error.reason;
  log.error({ connection: connection.id, pool: connection.pool, error: messageOf(error) }, "connection_failed");
  return "CONNECT_FAILED";
}
