import net from "node:net";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError, assert, codeOf, messageOf } from "#shared/core/error.ts";
import { trafficLimit } from "./connection-limit.ts";
import type { ConnectionLimit } from "./connection-limit.ts";
import { trafficCuts } from "./cuts.ts";
import type { Cuts } from "./cuts.ts";

/** An accepting TCP socket. */
export interface TcpListener extends AsyncDisposable {
  /** The real "address:port", also where port 0 was asked for. */
  readonly address: string;
  /** Stops accepting; open connections live on. */
  close(): Promise<void>;
}

/** How a socket is shared by SO_REUSEPORT with other processes of the same service. The first one makes sure that nobody
 * else has the port: sharing alone would quietly take half of another server's traffic. */
export type Sharing = "first" | "next";

export interface ListenOptions {
  /** "address:port"; port 0 takes any free one. */
  readonly address: string;
  /** Whether a client may end its side and still be answered. */
  readonly allowHalfOpen?: boolean;
  /** Connections arrive paused: nothing is read before the caller says so. */
  readonly pauseOnConnect?: boolean;
  readonly sharing?: Sharing | undefined;
  onConnection(socket: net.Socket): void;
  /** The process has as many connections as its file descriptors allow: this one was closed at once. */
  onRefused?(): void;
}

const backlog = 1_024; // the kernel cuts it to net.core.somaxconn

/** Listens on TCP.
 * @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenTcp(options: ListenOptions): Promise<TcpListener> {
  const server = net.createServer(
    { allowHalfOpen: options.allowHalfOpen ?? false, pauseOnConnect: options.pauseOnConnect ?? false, noDelay: true },
    (socket) => options.onConnection(socket),
  );
  server.on("drop", () => options.onRefused?.());
  return listenServer(server, options.address, trafficLimit, options.sharing);
}

/** Binds a server that exists, such as one of node:http.
 * @param limit on the connections that it accepts, perhaps together with others
 * @param cuts that its connections suffer
 * @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenServer(
  server: net.Server,
  address: string,
  limit: ConnectionLimit = trafficLimit,
  sharing?: Sharing,
  cuts: Cuts = trafficCuts,
): Promise<TcpListener> {
  const target = parseSocketAddress(address);
  assert(target, `${address} was validated with the config`);
  limit.guard(server);
  cuts.guard(server);
  if (sharing === "first") {
    const probe = net.createServer();
    await bind(probe, target, address, false);
    await closeServer(probe);
  }
  await bind(server, target, address, sharing !== undefined);
  server.removeAllListeners("error");
  server.on("error", () => {}); // accept() fails while file descriptors run short: the client is refused, we go on.
  const bound = server.address();
  assert(bound !== null && typeof bound === "object", "a TCP server has an address once it listens");
  const close = () => closeServer(server);
  return { address: formatSocketAddress(target.host, bound.port), close, [Symbol.asyncDispose]: close };
}

async function bind(
  server: net.Server,
  { host, port }: { readonly host: string; readonly port: number },
  address: string,
  reusePort: boolean,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error, address, "tcp")));
    server.listen({ host, port, backlog, reusePort }, resolve);
  });
}

/** Resolves once the socket accepts no more; does not wait for open connections. */
async function closeServer(server: net.Server): Promise<void> {
  if (!server.listening) return;
  server.close();
  // The handle is closed at the end of this turn of the event loop; only then is the port free again.
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Says in one line what cannot be listened on, and why. */
export function listenError(error: unknown, address: string, protocol: "tcp" | "udp"): Error {
  const why = {
    EADDRINUSE: "the port is already in use",
    EACCES: "not permitted; ports below 1024 need a right (CAP_NET_BIND_SERVICE)",
    EADDRNOTAVAIL: "this machine does not have that address",
  }[codeOf(error)];
  const text = `cannot listen on ${address} (${protocol}): ${why ?? messageOf(error)}`;
  return why ? new UsageError(text, { cause: error }) : new Error(text, { cause: error });
}
