import type { IncomingMessage, ServerResponse } from "node:http";
import { parseDurationMs } from "#shared/core/duration.ts";
import { untilWritable } from "../until-writable.ts";
import { factsOf, send, sendJson } from "./exchange.ts";
import type { Exchange, Pages } from "./exchange.ts";
import { splitTarget } from "./http.ts";
import type { Connection, ServerContext } from "./kind.ts";
import { EchoSocket, acceptKey } from "./websocket.ts";

const eventEveryMs = { min: 10, max: 60_000, default: 1_000 };

/** The web servers: facts as JSON or as a page, server-sent events on /events, a WebSocket echo on /ws. */
export class WebPages implements Pages {
  readonly #context: ServerContext;
  readonly #streams = new Set<ServerResponse>();
  readonly #echoes = new Set<EchoSocket>();

  constructor(context: ServerContext) {
    this.#context = context;
  }

  answer(exchange: Exchange): void | Promise<void> {
    if (exchange.path === "/events" && exchange.method === "GET") return this.#streamEvents(exchange);
    const facts = factsOf(exchange);
    exchange.response.setHeader("vary", "accept");
    if (!/\btext\/html\b/i.test(exchange.request.headers.accept ?? "")) return sendJson(exchange.response, 200, facts);
    return send(exchange.response, 200, "text/html; charset=utf-8", htmlOf(facts));
  }

  upgrades(request: IncomingMessage): boolean {
    return splitTarget(request.url ?? "").path === "/ws" && /^websocket$/i.test(request.headers.upgrade ?? "");
  }

  upgrade(request: IncomingMessage, connection: Connection): void {
    const { socket } = connection;
    const key = acceptKey(request);
    if (key === undefined) {
      socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const echo = new EchoSocket(socket, this.#context.gate);
    this.#echoes.add(echo);
    socket.once("close", () => this.#echoes.delete(echo));
    void echo.run(`${this.#upgradeHead(key)}\r\n\r\n`);
    this.#context.answered();
  }

  finish(): void {
    for (const stream of this.#streams) stream.end();
    for (const echo of this.#echoes) echo.goAway();
  }

  status(): Record<string, unknown> {
    return { eventStreams: this.#streams.size, webSockets: this.#echoes.size };
  }

  #upgradeHead(key: string): string {
    const server = this.#context.identity.server;
    return [
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${key}`,
      `X-Origin-Server: ${encodeURIComponent(server)}`,
    ].join("\r\n");
  }

  /** Numbered events, from the one behind Last-Event-ID on. */
  async #streamEvents(exchange: Exchange): Promise<void> {
    const { response, request, connection } = exchange;
    const everyMs = parseDurationMs(exchange.query.get("every") ?? `${eventEveryMs.default}ms`);
    if (everyMs === undefined || everyMs < eventEveryMs.min || everyMs > eventEveryMs.max) {
      return sendJson(response, 400, { ...exchange.identity, error: "every must be 10ms..60s" });
    }
    this.#streams.add(response);
    response.once("close", () => this.#streams.delete(response));
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    const lastId = /^\d{1,12}$/.exec(String(request.headers["last-event-id"] ?? ""))?.[0] ?? "0";
    const { gate } = this.#context;
    for (let id = Number(lastId) + 1; !response.writableEnded && !response.destroyed; id++) {
      const data = JSON.stringify({ ...exchange.identity, number: id, at: new Date().toISOString() });
      if (!response.write(`id: ${id}\nevent: tick\ndata: ${data}\n\n`)) await untilWritable(response);
      if (!(await gate.pause(connection.socket, everyMs)) || !(await gate.pass(connection.socket))) return;
    }
  }
}

function htmlOf(facts: Record<string, unknown>): string {
  const rows = Object.entries(facts).map(([name, value]) => {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return `<tr><th>${escapeHtml(name)}<td>${escapeHtml(text)}`;
  });
  const title = escapeHtml(String(facts["server"]));
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>
<table>${rows.join("\n")}</table></html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
