import type net from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";

/** One TCP connection to an endpoint, kept alive over requests. */
export interface UpstreamConnection {
  /** Goes with the connection in its PROXY header (TLV unique id), so that a trace can follow it. */
  readonly id: string;
  readonly socket: net.Socket;
  readonly endpoint: Endpoint;
  /** Our end: "address:port". */
  readonly local: string;
  /** Monotonic: from then on it takes no further request. */
  readonly expiresMs: number;
  /** How long the connect took. */
  readonly connectMs: number;
  /** Requests sent on it, the present one included. */
  uses: number;
  /** A request is under way: bytes may come. */
  busy: boolean;
  /** The answer under way is wholly read: bytes that come now belong to nothing. */
  answered: () => boolean;
}

export function localAddressOf(socket: net.Socket): string {
  return formatSocketAddress(socket.localAddress ?? "0.0.0.0", socket.localPort ?? 0);
}

const nobody = (): boolean => false;

/** Ends the connection as soon as bytes come that no request has asked for: they would be taken for the answer to the
 * next one. The listener is older than any parser's, so it sees the bytes first. */
export function guardUnaskedBytes(connection: UpstreamConnection): void {
  const { socket } = connection;
  socket.on("data", () => {
    if (!connection.busy || connection.answered()) socket.destroy();
  });
  socket.on("end", () => {
    if (!connection.busy) socket.destroy();
  });
  socket.on("error", () => {}); // Whoever uses the connection hears of it by its own listener or by 'close'.
}

/** Marks the connection as taken for one request. */
export function beginUse(connection: UpstreamConnection): void {
  connection.busy = true;
  connection.answered = nobody;
  connection.uses++;
}

/** Destroys the connection unless that use of it is over: by now it may carry another request.
 * @param use what `uses` was when it began */
export function cutUse(connection: UpstreamConnection, use: number): void {
  if (connection.busy && connection.uses === use) connection.socket.destroy();
}
