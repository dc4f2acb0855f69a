import type { RequestHead } from "./head.ts";
import type { HeaderList } from "./headers.ts";
import { hasTraceparent, rebuiltHeaders } from "./policy/forwarded-headers.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { endToEnd, takesTrailers } from "./policy/hop-by-hop.ts";

const rebuiltAndTracestate: ReadonlySet<string> = new Set([...rebuiltHeaders, "tracestate"]);
const neverWithoutLength: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** The head of a request as it goes to a server: what the client sent end to end, then what the router says.
 * @param fallbackHost Host of an HTTP/1.0 request that named none */
export function outgoingHeaders(head: RequestHead, forwarded: Forwarded, fallbackHost: string): string[] {
  const { headers } = head;
  const lines = ["Host", head.authority === "" ? fallbackHost : head.authority];
  lines.push(...endToEnd(headers, hasTraceparent(headers) ? rebuiltHeaders : rebuiltAndTracestate));
  lines.push(...forwarded.headers);
  if (head.expectsContinue && head.framing.kind !== "none") lines.push("Expect", "100-continue");
  if (head.upgrade) lines.push("Connection", "Upgrade", "Upgrade", "websocket");
  else if (takesTrailers(headers)) lines.push("TE", "trailers", "Connection", "TE");
  return [...lines, ...framingLines(head)];
}

/** Framing is always said, whatever the method: an unframed body would be read as the next request. @see RFC 9112 §6.3 */
function framingLines(head: RequestHead): string[] {
  const { framing, method } = head;
  if (framing.kind === "chunked") return ["Transfer-Encoding", "chunked"];
  if (framing.kind === "length") return ["Content-Length", String(framing.bytes)];
  return neverWithoutLength.has(method) ? ["Content-Length", "0"] : [];
}

/** The head of an answer as it goes to the client. A 204 has no Content-Length (RFC 9110 §8.6); that of a HEAD or a 304
 * says what a GET would have had, and stays. */
export function incomingHeaders(
  headers: HeaderList,
  own: { readonly via: string; readonly requestId: string },
  status: number,
): string[] {
  const lines = endToEnd(headers, status === 204 ? ownOrLength : ownLines);
  lines.push("Via", own.via, "X-Request-Id", own.requestId);
  return lines;
}

const ownLines: ReadonlySet<string> = new Set(["x-request-id"]);
const ownOrLength: ReadonlySet<string> = new Set(["x-request-id", "content-length"]);
