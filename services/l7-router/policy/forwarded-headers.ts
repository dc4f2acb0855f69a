import { parseAddress, parseSocketAddress, formatAddress } from "#shared/core/cidr.ts";
import type { Survey } from "#l7-router/headers.ts";
import { parseAuthority } from "#l7-router/route/host.ts";
import { traceparentOf } from "#l7-router/tracing/trace-context.ts";
import type { RequestTrace } from "#l7-router/tracing/trace-context.ts";

/** What is known of a request when it is told to the server who asks. */
export interface ForwardedInput {
  readonly seen: Survey;
  /** Address of the other end of the connection, without port. */
  readonly peer: string;
  readonly isTrusted: (address: string) => boolean;
  /** By which the client reached us. */
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly version: string;
  /** The name of this router in Via. */
  readonly viaName: string;
  /** Makes `bytes` random bytes as hex. */
  readonly randomHex: (bytes: number) => string;
  /** That the client has shown: subject, and DER in Base64. */
  /** Goes in place of the traceparent that came. */
  readonly trace?: RequestTrace | undefined;
  readonly certificate?: { readonly subject: string; readonly der: string } | undefined;
}

export interface Forwarded {
  /** Address of the client: the peer, or who trusted proxies say it is. */
  readonly client: string;
  readonly requestId: string;
  /** Lines to add to the request: name, value ... */
  readonly headers: readonly string[];
  /** Undefined where no spans are exported. */
  readonly trace?: RequestTrace | undefined;
}

/** Headers of a request that are rebuilt, so those that came are dropped. In lower case. */
export const rebuiltHeaders: ReadonlySet<string> = new Set([
  "host",
  "content-length",
  "expect",
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-proto",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-server",
  "x-real-ip",
  "x-request-id",
  "x-watershed-trace",
  "traceparent",
  "client-cert",
  "client-cert-chain",
  "x-client-cert-subject",
]);

const chainMax = 32; // proxies between a client and us; more is a loop or an attack
const requestIdForm = /^[0-9A-Za-z._-]{1,128}$/;

/** Who asks, told to the server. Nothing that an untrusted peer says is believed. */
export function forwardedHeaders(input: ForwardedInput): Forwarded {
  const { seen, peer } = input;
  const trusted = input.isTrusted(peer);
  const chain = trusted ? clientChain(seen.xForwardedFor, input.isTrusted) : [];
  chain.push(peer);
  const proto = (trusted && forwardedProto(seen)) || input.scheme;
  const host = (trusted && forwardedHost(seen)) || input.authority;
  const requestId = (trusted && keptRequestId(seen)) || input.randomHex(16);
  const own = `${input.version} ${input.viaName}`;
  const via = seen.via.length === 0 ? own : `${seen.via.join(", ")}, ${own}`;
  const added = ["X-Forwarded-For", chain.length === 1 ? peer : chain.join(", "), "X-Forwarded-Proto", proto];
  if (host !== "") added.push("X-Forwarded-Host", host);
  const { trace } = input;
  // A trace that the caller does not sample has no span of ours that could be a parent.
  const isOurs = trace && (trace.isSampled || trace.parentId === undefined);
  const traceparent = isOurs
    ? traceparentOf(trace, trace.spanId)
    : (keptTraceparent(seen) ?? `00-${input.randomHex(16)}-${input.randomHex(8)}-01`);
  added.push("Forwarded", forwardedValue(chain, proto, host), "Via", via);
  added.push("X-Request-Id", requestId, "traceparent", traceparent);
  const { certificate } = input;
  // A structured field: bytes (RFC 9440 §2.1).
  if (certificate) added.push("X-Client-Cert-Subject", certificate.subject, "Client-Cert", `:${certificate.der}:`);
  return { client: chain[0] ?? peer, requestId, headers: added, trace };
}

/** Whether a traceparent of the request is kept; a tracestate without one means nothing. */
export function hasTraceparent(seen: Survey): boolean {
  return keptTraceparent(seen) !== undefined;
}

/** Whether this router has already forwarded the request. @see RFC 9110 §7.6.3 */
export function isLoop(seen: Survey, viaName: string): boolean {
  if (seen.via.length === 0) return false;
  const name = viaName.toLowerCase();
  return seen.via.some((value) => value.split(",").some((entry) => receivedBy(entry) === name));
}

function receivedBy(entry: string): string | undefined {
  return entry.trim().toLowerCase().split(/\s+/)[1];
}

/** A name as Via takes it: a token. */
export function viaNameOf(node: string): string {
  return node.replace(/[^!#$%&'*+.^_`|~0-9A-Za-z-]/g, "-");
}

/** The addresses from the client to the one that spoke to our trusted peer: walked from the right, up to and with the
 * first that is not trusted. What stands left of it is only its word. */
function clientChain(values: readonly string[], isTrusted: (address: string) => boolean): string[] {
  const claimed = values.join(",").split(",");
  const chain: string[] = [];
  for (const text of claimed.reverse().slice(0, chainMax)) {
    const address = addressOf(text.trim());
    if (address === undefined) break;
    chain.unshift(address);
    if (!isTrusted(address)) break;
  }
  return chain;
}

function addressOf(text: string): string | undefined {
  const bytes = parseAddress(text.replace(/^\[(.*)\]$/, "$1"));
  return bytes ? formatAddress(bytes) : parseSocketAddress(text)?.host;
}

function forwardedProto({ xForwardedProto }: Survey): string | undefined {
  const proto = xForwardedProto[0]?.trim().toLowerCase();
  return proto === "http" || proto === "https" ? proto : undefined;
}

function forwardedHost({ xForwardedHost }: Survey): string | undefined {
  const host = xForwardedHost[0]?.trim();
  return host !== undefined && parseAuthority(host) ? host : undefined;
}

function keptRequestId({ xRequestId }: Survey): string | undefined {
  return xRequestId.length === 1 && requestIdForm.test(xRequestId[0] ?? "") ? xRequestId[0] : undefined;
}

/** The traceparent of a request, if it is valid. @see https://www.w3.org/TR/trace-context/#traceparent-header */
export function keptTraceparent({ traceparent: values }: Survey): string | undefined {
  if (values.length !== 1) return undefined;
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(values[0] ?? "");
  if (!match || match[1] === "ff" || (match[1] === "00" && match[4] !== undefined)) return undefined;
  return /^0+$/.test(match[2] ?? "") || /^0+$/.test(match[3] ?? "") ? undefined : values[0];
}

/** One element a hop, ours with what we know for certain. @see RFC 7239 §4 */
function forwardedValue(chain: readonly string[], proto: string, host: string): string {
  const last = chain.length - 1;
  if (last === 0) return hopOf(chain[0] ?? "", proto, host);
  return chain.map((address, i) => (i < last ? nodeOf(address) : hopOf(address, proto, host))).join(", ");
}

function hopOf(address: string, proto: string, host: string): string {
  return host === "" ? `${nodeOf(address)};proto=${proto}` : `${nodeOf(address)};host="${host}";proto=${proto}`;
}

function nodeOf(address: string): string {
  return address.includes(":") ? `for="[${address}]"` : `for=${address}`;
}
