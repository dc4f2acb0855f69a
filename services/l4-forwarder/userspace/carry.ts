import type { Socket } from "node:net";
import type { L4ForwarderConfig, L4ListenerConfig } from "#shared/config/schema/l4-forwarder.ts";
import type { ProxyVersion } from "#shared/config/schema/common.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import { acceptProxyHeader, tlvUniqueId, writeProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Host } from "#shared/server/service.ts";
import type { Admission } from "../admission.ts";
import { Connection } from "../connections.ts";
import type { Connections } from "../connections.ts";
import { dialServer } from "./dial.ts";
import type { Server } from "./dial.ts";
import { reset } from "./reset.ts";
import { splice } from "./splice.ts";

/** What a connection needs of the listener that accepted it, as it stands at that moment. */
export interface CarryContext {
  readonly host: Host;
  readonly connections: Connections;
  readonly address: string;
  readonly pool: Pool;
  readonly listener: L4ListenerConfig;
  readonly admission: Admission;
  readonly timeouts: L4ForwarderConfig["timeouts"];
  readonly localAddress: string | undefined;
}

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
      reason = await join(downstream, connection, header, context);
    } finally {
      admission.leave(client);
    }
  } catch (error) {
    reset(downstream); // A clean end would look like an answer.
    reason = reasonOf(error, connection, host);
  }
  connections.close(connection, reason);
  return connection;
}

/** From the choice of a server to the end of both sides. */
async function join(
  downstream: Socket,
  connection: Connection,
  header: ProxyHeader | undefined,
  context: CarryContext,
): Promise<Reason> {
  const { host, listener, timeouts } = context;
  const { socket: upstream, endpoint } = await connectServer(downstream, connection, header, context);
  const unfollow = endpoint.onIneligible(() => {
    if (listener.onDown === "reset" && endpoint.standing.state === "down") connection.cut("UNHEALTHY");
  });
  try {
    if (listener.proxyProtocol.send) upstream.write(headerFor(connection, header, listener.proxyProtocol.send));
    const { idleMs, halfClosedMs } = timeouts;
    return await splice({ downstream, upstream, clock: host.clock, idleMs, halfClosedMs, traffic: connection });
  } finally {
    unfollow();
    endpoint.end();
  }
}

function tooMany(client: string): TrafficError {
  return new TrafficError("LIMIT_REACHED", `${client} has as many connections as it may`, { origin: "downstream" });
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

/** Picks and dials. A client that resets meanwhile ends the dial; one that only ended its side still wants its answer. */
async function connectServer(
  downstream: Socket,
  connection: Connection,
  header: ProxyHeader | undefined,
  { pool, listener, timeouts, localAddress }: CarryContext,
): Promise<Server> {
  const gone = new AbortController();
  const abort = () => gone.abort();
  if (downstream.destroyed) abort();
  downstream.once("close", abort);
  try {
    const server = await dialServer(pool, {
      hash: hash32(connection.client.host),
      // A check that comes through us must see every server, so that it says something about the pool.
      balance: header?.command === "LOCAL" ? "round-robin" : undefined,
      timeouts,
      localAddress,
      connectionsMax: listener.connectionsPerServer,
      signal: gone.signal,
      onAttempt: (attempt) => connection.tried(attempt),
    });
    connection.connected(server.socket, server.endpoint);
    return server;
  } finally {
    downstream.off("close", abort);
  }
}

/** The header for the server: who the client is, and the id under which each tier knows this connection. */
function headerFor(connection: Connection, accepted: ProxyHeader | undefined, version: ProxyVersion): Buffer {
  const tlvs = [{ type: tlvUniqueId, value: connection.uniqueId }];
  if (accepted?.command === "LOCAL") return writeProxyHeader({ version, command: "LOCAL", tlvs });
  const { client: source, destination } = connection;
  return writeProxyHeader({ version, command: "PROXY", source, destination, tlvs });
}

function reasonOf(error: unknown, connection: Connection, { log }: Host): Reason {
  if (error instanceof TrafficError) return error.reason;
  log.error({ connection: connection.id, pool: connection.pool, error: messageOf(error) }, "connection_failed");
  return "CONNECT_FAILED";
}
