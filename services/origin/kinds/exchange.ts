import type { IncomingMessage, ServerResponse } from "node:http";
import { tlvUniqueId } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { Connection, Identity } from "./kind.ts";

/** One HTTP request whose body has been read, and its answer. */
export interface Exchange {
  readonly identity: Identity;
  readonly connection: Connection;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly bodyBytes: number;
}

/** What a kind of HTTP server answers. `/health` is answered before. */
export interface Pages {
  answer(exchange: Exchange): void | Promise<void>;
  /** Whether this upgrade is accepted by `upgrade`; all others are answered as if they asked for none. */
  upgrades?(request: IncomingMessage): boolean;
  upgrade?(request: IncomingMessage, connection: Connection): void;
  /** Ends answers that never end by themselves. */
  finish?(): void;
  drop?(): void;
  status?(): Record<string, unknown>;
}

const forwardedHeaders = [
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-real-ip",
  "forwarded",
  "via",
  "x-request-id",
  "traceparent",
  "tracestate",
] as const;

/** What the server knows of a request: the body of most answers. */
export function factsOf(exchange: Exchange): Record<string, unknown> {
  const { request, connection } = exchange;
  const { headers } = request;
  return {
    ...exchange.identity,
    method: exchange.method,
    path: exchange.path,
    query: exchange.query.toString(),
    host: headers.host ?? null,
    client: { address: connection.socket.remoteAddress ?? null, port: connection.socket.remotePort ?? null },
    forwarded: Object.fromEntries(
      forwardedHeaders.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])),
    ),
    proxy: connection.proxy ? proxyFacts(connection.proxy) : null,
    ...(exchange.method === "GET" || exchange.method === "HEAD" ? {} : { body: { bytes: exchange.bodyBytes } }),
    at: new Date().toISOString(),
  };
}

function proxyFacts(header: ProxyHeader): Record<string, unknown> {
  const uniqueId = header.tlvs.find((tlv) => tlv.type === tlvUniqueId)?.value;
  const end = (address: ProxyHeader["source"]) => (address ? { address: address.host, port: address.port } : null);
  return {
    version: header.version,
    command: header.command,
    source: end(header.source),
    destination: end(header.destination),
    uniqueId: uniqueId ? textOf(uniqueId) : null,
  };
}

/** The text of an id made of printable ASCII, else its bytes in hex: the protocol allows any. */
function textOf(id: Uint8Array): string {
  const bytes = Buffer.from(id);
  return bytes.every((byte) => byte > 32 && byte < 127) ? bytes.toString("latin1") : bytes.toString("hex");
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  send(response, status, "application/json", `${JSON.stringify(value)}\n`);
}

/** Sends a whole body; a HEAD gets its head alone. */
export function send(response: ServerResponse, status: number, type: string, body: string): void {
  const bytes = Buffer.from(body);
  response.writeHead(status, { "content-type": type, "content-length": bytes.length, "cache-control": "no-store" });
  response.end(bytes);
}
