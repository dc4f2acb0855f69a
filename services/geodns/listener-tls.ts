import type net from "node:net";
import tls from "node:tls";
import type { Certificates } from "#shared/net/certificates.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import { listenServer } from "#shared/net/listen.ts";
import type { Sharing, TcpListener } from "#shared/net/listen.ts";
import type { Connection, ConnectionTable } from "./connections.ts";
import { serveStream } from "./stream.ts";
import type { AnswerMessage } from "./stream.ts";

export interface TlsListenerOptions {
  readonly address: string;
  readonly certificates: Certificates;
  readonly connections: ConnectionTable;
  readonly answer: AnswerMessage;
  readonly sharing: Sharing | undefined;
}

export const handshakeMsMax = 5_000; // a client that is there needs two round trips

/** Listens for DNS over TLS. A client counts as a connection before its handshake, so that handshakes have the same limits.
 * @throws {UsageError} naming address and port, if it is taken or not ours
 * @see RFC 7858, RFC 8310 §8 */
export async function listenTls(options: TlsListenerOptions): Promise<TcpListener> {
  const { address, certificates, connections, answer } = options;
  const server = tls.createServer({
    ...certificates.serverOptions,
    ALPNProtocols: ["dot"],
    noDelay: true,
    handshakeTimeout: handshakeMsMax,
  });
  certificates.attach(server);
  const arrived = new Arrivals(server, connections);
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {}); // a reset: "close" follows
    const connection = arrived.find(socket);
    if (!connection) return void socket.destroy();
    serveStream(socket, connection, "tls", answer);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  return listenServer(server, address, trafficLimit, options.sharing);
}

/** The connections of a TLS server, found again once they speak TLS: node tells the socket below and the one above in two events, and
 * only their addresses say that they belong together. */
export class Arrivals {
  readonly #connections = new Map<string, Connection>();

  constructor(server: tls.Server, table: ConnectionTable) {
    server.on("connection", (socket: net.Socket) => {
      const connection = table.add(socket);
      if (!connection) return;
      const key = keyOf(socket);
      this.#connections.set(key, connection);
      socket.on("close", () => {
        if (this.#connections.get(key) === connection) this.#connections.delete(key);
      });
    });
  }

  find(socket: Pick<net.Socket, "remoteAddress" | "remotePort" | "localAddress">): Connection | undefined {
    return this.#connections.get(keyOf(socket));
  }
}

function keyOf(socket: Pick<net.Socket, "remoteAddress" | "remotePort" | "localAddress">): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;
}
