import type { RawHead } from "#l7-router/head.ts";
import { keyOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";

/** A request as HTTP/2 carries it, in the words of HTTP/1.1: from here on both are read, matched and forwarded by the same
 * code. That names and values are valid, and no line is of the connection, nghttp2 has seen to (RFC 9113 §8.2).
 * @param lines pseudo-header fields first
 * @param endsAtHead there is no body
 * @param webSocketKey for a request that asks for a WebSocket, which needs none in HTTP/2
 * @see RFC 9113 §8.3.1; §8.2.3: crumbs of Cookie; RFC 8441 §4: WebSockets */
export function rawHeadOf(lines: HeaderList, endsAtHead: boolean, webSocketKey: string): RawHead {
  let method = "";
  let path: string | undefined;
  let authority: string | undefined;
  let protocol: string | undefined;
  let cookieAt = -1;
  let hasLength = false;
  const headers: string[] = [];
  for (let i = 0; i < lines.length; i += 2) {
    const name = lines[i] ?? "";
    const value = lines[i + 1] ?? "";
    switch (name) {
      case ":method":
        method = value;
        break;
      case ":path":
        path = value;
        break;
      case ":authority":
        authority = value;
        headers.push("Host", value);
        break;
      case ":protocol":
        protocol = value;
        break;
      case ":scheme":
        break; // The connection says by which one it came.
      case "host":
        // One that says the same is said once; another is refused as a second Host.
        if (value.toLowerCase() !== authority?.toLowerCase()) headers.push("Host", value);
        break;
      case "cookie":
        if (cookieAt >= 0) headers[cookieAt] = `${headers[cookieAt]}; ${value}`;
        else cookieAt = headers.push(name, value) - 1;
        break;
      default:
        hasLength ||= name === "content-length";
        headers.push(name, value);
    }
  }
  if (method === "CONNECT" && protocol?.toLowerCase() === "websocket") {
    headers.push("Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", webSocketKey);
    return { method: "GET", target: path ?? "", version: "2", headers };
  }
  if (!endsAtHead && !hasLength) headers.push("Transfer-Encoding", "chunked");
  return { method, target: path ?? authority ?? "", version: "2", headers };
}

/** Lines that HTTP/2 has no use for (RFC 9113 §8.2.2). */
const ofConnection: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

/** The head of an answer as node:http2 takes it: one flat list, so that order and repeats stay. */
export function answerLines(status: number, headers: HeaderList): string[] {
  const lines = [":status", String(status)];
  for (let i = 0; i < headers.length; i += 2) {
    const key = keyOf(headers[i] ?? "");
    if (!ofConnection.has(key)) lines.push(key, headers[i + 1] ?? "");
  }
  return lines;
}

/** Lines as node:http2 takes them where it takes no list; those of one name keep their order. */
export function linesByName(headers: HeaderList): Record<string, string[]> {
  const byName: Record<string, string[]> = {};
  for (let i = 0; i < headers.length; i += 2) {
    const key = keyOf(headers[i] ?? "");
    if (!ofConnection.has(key)) (byName[key] ??= []).push(headers[i + 1] ?? "");
  }
  return byName;
}
