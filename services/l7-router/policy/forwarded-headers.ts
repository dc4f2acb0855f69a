import { parseAddress, parseSocketAddress, formatAddress } from "#shared/core/cidr.ts";
import { tokensOf, valueOf, valuesOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import { parseAuthority } from "#l7-router/route/host.ts";

/** What is known of a request when it is told to the server who asks. */
export interface ForwardedInput {
  readonly headers: HeaderList;
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
}

export interface Forwarded {
  /** Address of the client: the peer, or who trusted proxies say it is. */
  readonly client: string;
  readonly requestId: string;
  /** Lines to add to the request: name, value ... */
  readonly headers: readonly string[];
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
]);

const chainMax = 32; // proxies between a client and us; more is a loop or an attack
const requestIdForm = /^[0-9A-Za-z._-]{1,128}$/;

/** Who asks, told to the server. Nothing that an untrusted peer says is believed. */
export function forwardedHeaders(input: ForwardedInput): Forwarded {
  const { headers } = input;
  const trusted = input.isTrusted(input.peer);
  const chain = [...(trusted ? clientChain(headers, input.isTrusted) : []), input.peer];
  const proto = (trusted && forwardedProto(headers)) || input.scheme;
  const host = (trusted && forwardedHost(headers)) || input.authority;
  const requestId = (trusted && keptRequestId(headers)) || input.randomHex(16);
  const via = [...valuesOf(headers, "via"), `${input.version} ${input.viaName}`].join(", ");
  const added = ["X-Forwarded-For", chain.join(", "), "X-Forwarded-Proto", proto];
  if (host !== "") added.push("X-Forwarded-Host", host);
  added.push("Forwarded", forwardedValue(chain, proto, host), "Via", via, "X-Request-Id", requestId);
  const traceparent = keptTraceparent(headers);
  added.push("traceparent", traceparent ?? `00-${input.randomHex(16)}-${input.randomHex(8)}-01`);
  return { client: chain[0] ?? input.peer, requestId, headers: added };
}

/** Whether a traceparent of the request is kept; a tracestate without one means nothing. */
export function hasTraceparent(headers: HeaderList): boolean {
  return keptTraceparent(headers) !== undefined;
}

/** Whether this router has already forwarded the request. @see RFC 9110 §7.6.3 */
export function isLoop(headers: HeaderList, viaName: string): boolean {
  return tokensOf(headers, "via").some((entry) => entry.split(/\s+/)[1] === viaName.toLowerCase());
}

/** A name as Via takes it: a token. */
export function viaNameOf(node: string): string {
  return node.replace(/[^!#$%&'*+.^_`|~0-9A-Za-z-]/g, "-");
}

/** The addresses from the client to the one that spoke to our trusted peer: walked from the right, up to and with the
 * first that is not trusted. What stands left of it is only its word. */
function clientChain(headers: HeaderList, isTrusted: (address: string) => boolean): string[] {
  const claimed = valuesOf(headers, "x-forwarded-for").join(",").split(",");
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

function forwardedProto(headers: HeaderList): string | undefined {
  const proto = valueOf(headers, "x-forwarded-proto")?.trim().toLowerCase();
  return proto === "http" || proto === "https" ? proto : undefined;
}

function forwardedHost(headers: HeaderList): string | undefined {
  const host = valueOf(headers, "x-forwarded-host")?.trim();
  return host !== undefined && parseAuthority(host) ? host : undefined;
}

function keptRequestId(headers: HeaderList): string | undefined {
  const values = valuesOf(headers, "x-request-id");
  return values.length === 1 && requestIdForm.test(values[0] ?? "") ? values[0] : undefined;
}

/** @see https://www.w3.org/TR/trace-context/#traceparent-header */
function keptTraceparent(headers: HeaderList): string | undefined {
  const values = valuesOf(headers, "traceparent");
  if (values.length !== 1) return undefined;
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/.exec(values[0] ?? "");
  if (!match || match[1] === "ff" || (match[1] === "00" && match[4] !== undefined)) return undefined;
  return /^0+$/.test(match[2] ?? "") || /^0+$/.test(match[3] ?? "") ? undefined : values[0];
}

/** One element a hop, ours with what we know for certain. @see RFC 7239 §4 */
function forwardedValue(chain: readonly string[], proto: string, host: string): string {
  const last = chain.length - 1;
  return chain
    .map((address, i) => {
      const node = `for=${address.includes(":") ? `"[${address}]"` : address}`;
      if (i < last) return node;
      return host === "" ? `${node};proto=${proto}` : `${node};host="${host}";proto=${proto}`;
    })
    .join(", ");
}
