import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { messageOf } from "#shared/core/error.ts";
import { send, sendJson } from "./exchange.ts";
import type { Pages } from "./exchange.ts";
import { idleTimeoutMs } from "./kind.ts";
import type { Connection, ServerContext, TcpKind } from "./kind.ts";

const bodyBytesMax = 104_857_600; // 100 MiB; bodies are counted, never kept
const unansweredMax = 64; // requests that one connection may send ahead; a hung server would keep them all
const keepAliveTimeoutMs = 75_000; // longer than routers keep connections, so that they close first

/** An HTTP/1.1 server over connections that somebody else accepted. */
export class HttpKind implements TcpKind {
  readonly protocol = "tcp";
  readonly #context: ServerContext;
  readonly #pages: Pages;
  readonly #http: Server;
  /** Those under HTTP; an upgraded one is its page's. */
  readonly #connections = new Map<Socket, Connection & { unanswered: number }>();
  #finishing = false;

  constructor(context: ServerContext, pages: Pages) {
    this.#context = context;
    this.#pages = pages;
    this.#http = createServer({
      keepAliveTimeout: keepAliveTimeoutMs,
      shouldUpgradeCallback: (request) => pages.upgrades?.(request) ?? false,
    });
    this.#http.timeout = idleTimeoutMs;
    this.#http.on("request", (request, response) => void this.#handle(request, response));
    this.#http.on("checkContinue", (request, response) => void this.#handle(request, response));
    this.#http.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) => {
      const connection = this.#connections.get(socket);
      if (!connection) return;
      this.#connections.delete(socket);
      if (head.length > 0) socket.unshift(head);
      pages.upgrade?.(request, connection);
    });
  }

  serve(connection: Connection): void {
    const { socket } = connection;
    this.#connections.set(socket, { ...connection, unanswered: 0 });
    socket.once("close", () => this.#connections.delete(socket));
    this.#http.emit("connection", socket);
    socket.resume(); // It was paused to read its PROXY header.
  }

  finish(): void {
    this.#finishing = true;
    this.#pages.finish?.();
    for (const connection of this.#connections.values())
      if (connection.unanswered === 0) connection.socket.destroySoon();
  }

  drop(): void {
    this.#pages.drop?.();
  }

  status(): Record<string, unknown> {
    return this.#pages.status?.() ?? {};
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (!connection) return;
    if (++connection.unanswered > unansweredMax) {
      socket.resetAndDestroy();
      return;
    }
    response.once("close", () => {
      connection.unanswered--;
      if (this.#finishing && connection.unanswered === 0) socket.destroySoon();
    });
    try {
      await this.#answer(request, response, connection);
    } catch (error) {
      this.#context.log.error({ ...this.#context.identity, why: messageOf(error) }, "request_failed");
      // Reset, not end: a clean end would pass a cut body off as whole.
      if (response.headersSent) socket.resetAndDestroy();
      else sendJson(response, 500, { ...this.#context.identity, error: "internal error" });
    }
  }

  async #answer(request: IncomingMessage, response: ServerResponse, connection: Connection): Promise<void> {
    const { gate, identity } = this.#context;
    if (request.headers.expect !== undefined) {
      if (!(await gate.pass(connection.socket))) return;
      response.writeContinue();
    }
    const bodyBytes = await countBody(request);
    if (bodyBytes === undefined || !(await gate.pass(connection.socket))) return;
    response.setHeader("x-origin-server", identity.server);
    if (this.#context.draining || bodyBytes > bodyBytesMax) response.setHeader("connection", "close");
    const { path, query } = splitTarget(request.url ?? "/");
    if (path === "/health") return this.#answerHealth(response);
    this.#context.answered();
    if (bodyBytes > bodyBytesMax) return sendJson(response, 413, { ...identity, error: "body over 100 MiB" });
    const method = request.method ?? "GET";
    return this.#pages.answer({ identity, connection, request, response, method, path, query, bodyBytes });
  }

  #answerHealth(response: ServerResponse): void {
    if (!this.#context.draining) return send(response, 200, "application/json", '{"status":"ok"}\n');
    response.setHeader("x-watershed-reason", "DRAINING");
    return send(response, 503, "application/json", '{"status":"draining"}\n');
  }
}

/** Reads a body to its end, or until it is over the limit.
 * @returns its bytes; undefined if the client left before the end */
function countBody(request: IncomingMessage): Promise<number | undefined> {
  return new Promise((resolve) => {
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > bodyBytesMax) resolve(bytes);
    });
    request.once("end", () => resolve(bytes));
    request.once("close", () => resolve(undefined));
  });
}

/** Path and query of a request target; also of one in absolute form. @see RFC 9112 §3.2 */
export function splitTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const origin = /^https?:\/\/[^/?]*/i.exec(target)?.[0] ?? "";
  const rest = target.slice(origin.length);
  const mark = rest.indexOf("?");
  const path = mark < 0 ? rest : rest.slice(0, mark);
  return { path: path === "" ? "/" : path, query: new URLSearchParams(mark < 0 ? "" : rest.slice(mark + 1)) };
}
