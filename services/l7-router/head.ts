import { parseAuthority } from "./route/host.ts";
import type { Authority } from "./route/host.ts";
import { normalisePath } from "./route/path.ts";
import type { Routable } from "./route/match.ts";
import { survey, tokensOf, valuesOf } from "./headers.ts";
import type { HeaderList, Survey } from "./headers.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";

export const headerLinesMax = 128; // a little over what Apache (100), HAProxy (101) and Envoy (100) take

/** A head as the parser gave it. */
export interface RawHead {
  readonly method: string;
  readonly target: string;
  /** "1.1", or "2" for what HTTP/2 carries, in the words of HTTP/1.1. */
  readonly version: string;
  readonly headers: HeaderList;
}

/** How a body is framed. */
export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" };

/** A request's head that passed every check, in the one form that is matched and forwarded. */
export interface RequestHead extends Routable {
  readonly version: "1.0" | "1.1" | "2";
  readonly headers: HeaderList;
  /** What goes to the server: normalised path and query as it came; "*" only for OPTIONS. */
  readonly target: string;
  /** Value of Host as it is forwarded, by the target's authority where it has one; "" for HTTP/1.0 without. */
  readonly authority: string;
  readonly framing: Framing;
  readonly expectsContinue: boolean;
  readonly seen: Survey;
  /** The client keeps the connection open after the answer. @see RFC 9112 §9.3 */
  readonly keepsAlive: boolean;
  /** Asks for a WebSocket. */
  readonly upgrade: boolean;
  /** Asks for any protocol: node:http's parser loses what is pipelined behind such a request, so it is the last one. */
  readonly asksToUpgrade: boolean;
}

export type HeadResult =
  | { readonly ok: true; readonly head: RequestHead }
  | { readonly ok: false; readonly refusal: Refusal };

interface Target {
  readonly path: string;
  readonly query: string;
  readonly authority: string | undefined;
}

const bad = (message: string): Refusal => refusal(400, "BAD_REQUEST", message);

const noBody: Framing = { kind: "none" };
const chunkedBody: Framing = { kind: "chunked" };

/** Checks a head by what a strict parser still lets through, and brings it into the forwarded form. */
export function readHead(raw: RawHead, limits: { readonly targetBytes: number }): HeadResult {
  const target = checkStart(raw, limits) ?? readTarget(raw);
  if ("status" in target) return { ok: false, refusal: target };
  const { headers, method } = raw;
  const seen = survey(headers);
  const authority = readAuthority(raw, seen, target.authority);
  if ("status" in authority) return { ok: false, refusal: authority };
  const framing = readFraming(raw, seen);
  if ("status" in framing) return { ok: false, refusal: framing };
  const version = raw.version === "1.1" || raw.version === "2" ? raw.version : "1.0";
  const isCurrent = version !== "1.0";
  const asksToUpgrade = seen.upgrade.length > 0 && seen.connection.includes("upgrade");
  const upgrade = isCurrent && asksToUpgrade && seen.upgrade.includes("websocket");
  const refused = checkHeaders(isCurrent, seen) ?? (upgrade ? checkUpgrade(raw, framing) : undefined);
  if (refused) return { ok: false, refusal: refused };
  return {
    ok: true,
    head: {
      method,
      version,
      headers,
      seen,
      target: target.query === "" ? target.path : `${target.path}?${target.query}`,
      path: target.path,
      query: target.query,
      host: authority.host,
      authority: authority.text,
      framing,
      expectsContinue: isCurrent && seen.expect.length > 0,
      upgrade,
      asksToUpgrade: seen.connection.includes("upgrade"),
      keepsAlive: isCurrent ? !seen.connection.includes("close") : seen.connection.includes("keep-alive"),
      headerValues: (name) => valuesOf(headers, name),
    },
  };
}

/** Whether the head asks for a WebSocket. Other protocols are not upgraded to; their requests are served as they are.
 * @see RFC 6455 §4.1; RFC 9110 §7.8: ignored in HTTP/1.0 */
export function asksForWebSocket(raw: Pick<RawHead, "version" | "headers">): boolean {
  return (
    raw.version === "1.1" &&
    tokensOf(raw.headers, "upgrade").includes("websocket") &&
    tokensOf(raw.headers, "connection").includes("upgrade")
  );
}

function checkStart(raw: RawHead, limits: { readonly targetBytes: number }): Refusal | undefined {
  if (raw.version === "0.9") return bad("HTTP/0.9 is not served");
  if (raw.version !== "1.1" && raw.version !== "1.0" && raw.version !== "2")
    return refusal(505, "BAD_REQUEST", "HTTP/1.1 and 1.0 only");
  if (raw.method === "TRACE" || raw.method === "CONNECT")
    return refusal(405, "METHOD_REFUSED", `${raw.method} is not served`, [
      "Allow",
      "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
    ]);
  if (raw.target.length > limits.targetBytes) return refusal(414, "TARGET_TOO_LONG", "the target is too long");
  if (raw.headers.length > headerLinesMax * 2) return refusal(431, "HEADERS_TOO_LARGE", "too many header lines");
  return undefined;
}

/** @see RFC 9112 §3.2 */
function readTarget(raw: RawHead): Target | Refusal {
  const { target } = raw;
  if (target === "*")
    return raw.method === "OPTIONS" ? { path: "*", query: "", authority: undefined } : bad("* is for OPTIONS only");
  if (/[^\x21-\x7e]/.test(target)) return bad("a character in the target that must be escaped");
  if (target.includes("#")) return bad("a fragment in the target");
  const absolute = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  const rest = absolute ? (absolute[2] ?? "") : target;
  if (absolute && rest === "" && raw.method === "OPTIONS") return { path: "*", query: "", authority: absolute[1] };
  const [path, query] = splitQuery(rest.startsWith("/") || !absolute ? rest : `/${rest}`);
  if (!path.startsWith("/")) return bad("the target is neither a path nor a URL");
  if (query.includes("%00")) return bad("%00 in the query");
  const normalised = normalisePath(path);
  return normalised.ok ? { path: normalised.path, query, authority: absolute?.[1] } : bad(normalised.why);
}

function splitQuery(text: string): [string, string] {
  const at = text.indexOf("?");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** One valid Host, or none in HTTP/1.0. The target's authority wins. @see RFC 9112 §3.2, §3.2.2 */
function readAuthority(
  raw: RawHead,
  { host: hosts }: Survey,
  ofTarget: string | undefined,
): (Authority & { text: string }) | Refusal {
  if (hosts.length > 1) return bad("more than one Host");
  const own = hosts[0]?.trim();
  if (own === undefined && raw.version !== "1.0") return bad("no Host");
  const ofHost = own === undefined ? undefined : parseAuthority(own);
  if (own !== undefined && !ofHost) return bad("an invalid Host");
  const text = ofTarget ?? own;
  if (text === undefined) return { host: "", port: undefined, text: "" };
  const authority = ofTarget === undefined ? ofHost : parseAuthority(ofTarget);
  return authority ? { host: authority.host, port: authority.port, text } : bad("an invalid authority in the target");
}

/** @see RFC 9112 §6 */
function readFraming(raw: RawHead, seen: Survey): Framing | Refusal {
  const { contentLength: lengths, transferEncoding: codings } = seen;
  if (codings.length > 0) {
    if (raw.version === "1.0") return bad("Transfer-Encoding in HTTP/1.0");
    if (lengths.length > 0) return bad("both Content-Length and Transfer-Encoding");
    if (codings.length > 1 || codings[0]?.trim().toLowerCase() !== "chunked")
      return refusal(501, "BAD_REQUEST", "a transfer coding other than chunked");
    return chunkedBody;
  }
  if (lengths.length === 0) return noBody;
  const text = lengths[0] ?? "";
  if (lengths.length > 1 || !/^\d{1,15}$/.test(text)) return bad("an invalid Content-Length");
  return Number(text) === 0 ? noBody : { kind: "length", bytes: Number(text) };
}

function checkHeaders(isCurrent: boolean, seen: Survey): Refusal | undefined {
  if (seen.hasUnderscore) return bad("an underscore in the name of a header");
  if (isCurrent && seen.expect.some((expectation) => expectation !== "100-continue"))
    return refusal(417, "BAD_REQUEST", "an expectation other than 100-continue");
  return undefined;
}

function checkUpgrade(raw: RawHead, framing: Framing): Refusal | undefined {
  if (raw.method !== "GET") return bad("an upgrade of a method other than GET");
  return framing.kind === "none" ? undefined : bad("an upgrade with a body");
}
