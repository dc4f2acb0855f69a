import type { Admitted } from "./admit.ts";
import { setHsts } from "./entrance.ts";
import type { Entrance } from "./entrance.ts";
import type { Passage } from "./passage.ts";
import type { UpstreamRequest } from "./engine/engine.ts";
import type { RequestHead } from "./head.ts";
import type { HeaderList } from "./headers.ts";
import { hopsLeft } from "./own-answers.ts";
import { editHeaders } from "./policy/header-edits.ts";
import { hasTraceparent, rebuiltHeaders } from "./policy/forwarded-headers.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { endToEnd, takesTrailers } from "./policy/hop-by-hop.ts";

const rebuiltAndTracestate: ReadonlySet<string> = new Set([...rebuiltHeaders, "tracestate"]);
const neverWithoutLength: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/** @param fallbackHost Host of an HTTP/1.0 request that named none */
export function upstreamRequest(
  { head, requestHeaders: edits }: Pick<Admitted, "head" | "requestHeaders">,
  forwarded: Forwarded,
  fallbackHost: string,
): UpstreamRequest {
  const { method, target, framing, upgrade } = head;
  const lines = outgoingHeaders(head, forwarded, fallbackHost);
  return { method, target, framing, upgrade, headers: edits ? editHeaders(lines, edits) : lines };
}

/** The head of a request as it goes to a server: what the client sent end to end, then what the router says. */
function outgoingHeaders(head: RequestHead, forwarded: Forwarded, fallbackHost: string): string[] {
  const { headers, seen } = head;
  const without = hasTraceparent(seen) ? rebuiltHeaders : rebuiltAndTracestate;
  const lines = ["Host", head.authority === "" ? fallbackHost : head.authority];
  for (const text of endToEnd(headers, without, seen.connection)) lines.push(text);
  for (const text of forwarded.headers) lines.push(text);
  const hops = head.method === "OPTIONS" ? hopsLeft(head) : undefined;
  const hopsAt = hops === undefined ? -1 : lines.findIndex(isMaxForwards);
  if (hops !== undefined && hopsAt >= 0) lines[hopsAt + 1] = String(hops - 1);
  if (head.expectsContinue && head.framing.kind !== "none") lines.push("Expect", "100-continue");
  if (head.upgrade) lines.push("Connection", "Upgrade", "Upgrade", "websocket");
  else if (takesTrailers(seen.te)) lines.push("TE", "trailers", "Connection", "TE");
  for (const text of framingLines(head)) lines.push(text);
  return lines;
}

function isMaxForwards(text: string, index: number): boolean {
  return index % 2 === 0 && text.toLowerCase() === "max-forwards";
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
export function incomingHeaders(headers: HeaderList, status: number, passage: Passage, { hsts }: Entrance): string[] {
  const { replyHeaders, setCookie } = passage;
  const lines = endToEnd(headers, status === 204 ? ownOrLength : ownLines);
  lines.push("Via", `1.1 ${passage.viaName}`);
  for (const text of passage.answerLines()) lines.push(text);
  const edited = replyHeaders ? editHeaders(lines, replyHeaders) : lines;
  if (hsts !== undefined && status !== 101) setHsts(edited, hsts);
  if (setCookie !== undefined) edited.push("Set-Cookie", passage.isSecure ? `${setCookie}; Secure` : setCookie);
  return edited;
}

/** The head of a 101. */
export function switchingHeaders(headers: HeaderList, passage: Passage, entrance: Entrance): string[] {
  return [...incomingHeaders(headers, 101, passage, entrance), "Connection", "Upgrade", "Upgrade", "websocket"];
}

/** The head of a 1xx, which has no length (RFC 9110 §8.6). */
export function informationHeaders(headers: HeaderList): string[] {
  return endToEnd(headers, lengthOnly);
}

const ownLines: ReadonlySet<string> = new Set(["x-request-id"]);
const ownOrLength: ReadonlySet<string> = new Set(["x-request-id", "content-length"]);
const lengthOnly: ReadonlySet<string> = new Set(["content-length"]);
