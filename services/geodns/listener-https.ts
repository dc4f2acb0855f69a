import http2 from "node:http2";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { Clock } from "#shared/core/clock.ts";
import { trafficLimit } from "#shared/net/connection-limit.ts";
import { listenServer } from "#shared/net/listen.ts";
import type { TcpListener } from "#shared/net/listen.ts";
import type { Connection } from "./connections.ts";
import { messageOfGet, messageOfPost, refusals } from "./https-message.ts";
import type { HttpRefusal } from "./https-message.ts";
import { Arrivals, handshakeMsMax } from "./listener-tls.ts";
import type { TlsListenerOptions } from "./listener-tls.ts";
import { tcpBytesMax } from "./wire/body.ts";
import { freshnessSeconds } from "./wire/ttl.ts";

export interface HttpsListenerOptions extends TlsListenerOptions {
  /** Path of the only resource; a reload may change it. */
  readonly path: () => string;
  readonly clock: Clock;
  /** A request got an answer of HTTP alone. */
  readonly onRefused: (status: number) => void;
}

/** What one client can make a session hold or do. A query is answered at once, so that few streams are enough. */
const http2Limits = {
  settings: { maxConcurrentStreams: 64, maxHeaderListSize: 16_384, initialWindowSize: 65_535, enablePush: false },
  maxSessionMemory: 1, // MB
  maxSessionInvalidFrames: 20,
  maxSessionRejectedStreams: 20,
  // Streams that are opened and reset at once (CVE-2023-44487): a burst, then so many a second; beyond that the session ends.
  streamResetBurst: 100,
  streamResetRate: 20,
} as const;
const http1Limits = {
  maxHeaderSize: 16_384,
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 10_000, // node takes it, though its types do not say so
} as const;

/** Listens for DNS over HTTPS, HTTP/2 and HTTP/1.1.
 * @throws {UsageError} naming address and port, if it is taken or not ours
 * @see RFC 8484 */
export async function listenHttps(options: HttpsListenerOptions): Promise<TcpListener> {
  const { address, certificates, connections } = options;
  const server = http2.createSecureServer({
    ...certificates.serverOptions,
    ...http2Limits,
    ...http1Limits,
    allowHTTP1: true,
    noDelay: true,
    handshakeTimeout: handshakeMsMax,
  });
  certificates.attach(server);
  const arrived = new Arrivals(server, connections);
  // Of HTTP/1.1: with a request that has no answer yet; to be ended once it has.
  const pending = new WeakSet<Connection>();
  const finishing = new WeakSet<Connection>();
  server.on("session", (session) => {
    const connection = arrived.find(session.socket);
    if (!connection) return session.destroy();
    session.on("error", () => {}); // "close" follows
    connection.finish = () => session.close();
    connection.destroy = () => session.destroy();
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => {});
    const connection = arrived.find(socket);
    // A session of HTTP/2 has been told above; what is left speaks HTTP/1.1.
    if (!connection || socket.alpnProtocol === "h2") return;
    connection.destroy = () => void socket.destroy();
    connection.finish = () => {
      if (pending.has(connection)) finishing.add(connection);
      else socket.destroySoon();
    };
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("sessionError", () => {}); // a client that breaks HTTP/2: its session is closed by node
  server.on("request", (request, response) => {
    const connection = arrived.find(request.socket);
    if (!connection) return void response.destroy();
    request.on("error", () => {}); // gone in the middle of its request
    response.on("error", () => {});
    pending.add(connection);
    void serve(request, response, connection, options).then(() => {
      pending.delete(connection);
      if (finishing.has(connection)) connection.finish();
    });
  });
  return listenServer(server, address, trafficLimit, options.sharing);
}

const out = new Uint8Array(tcpBytesMax);

/** One request: which message it carries → its reply, or why there is none. */
async function serve(
  request: Http2ServerRequest,
  response: Http2ServerResponse,
  connection: Connection,
  { path, answer, clock, onRefused }: HttpsListenerOptions,
): Promise<void> {
  const refuse = ({ status, text, headers }: HttpRefusal) => {
    onRefused(status);
    send(response, status, Buffer.from(`${text}\n`), { "content-type": "text/plain", ...headers });
  };
  const [target, query] = splitAtFirst(request.url, "?");
  if (target !== path()) return refuse(refusals.notFound);
  const asked = request.method === "GET" ? messageOfGet(query) : await messageOfPost(request, clock);
  if (!Buffer.isBuffer(asked)) return refuse(asked);
  const length = answer(asked, connection.client, "https", out);
  if (length === 0) return refuse(refusals.notAQuery);
  const reply = Buffer.from(out.subarray(0, length)); // it is sent later, and the next one comes before
  const isLast = !connection.answered();
  const freshness = freshnessSeconds(reply);
  send(response, 200, reply, {
    "content-type": "application/dns-message",
    // Private: a cache for many clients would hand the region of one to another.
    "cache-control": freshness === undefined ? "no-store" : `private, max-age=${freshness}`,
  });
  if (isLast) connection.finish();
}

function send(
  response: Http2ServerResponse,
  status: number,
  body: Buffer,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.destroyed || response.headersSent || response.stream?.destroyed) return; // the client is gone
  try {
    response.writeHead(status, { ...headers, "content-length": body.length });
    response.end(body);
  } catch {
    response.destroy(); // its stream was reset, and node has not told yet
  }
}

function splitAtFirst(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
