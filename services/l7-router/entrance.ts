import { formatSocketAddress, parseAddress } from "#shared/core/cidr.ts";
import type { ListenerTls, TlsFacts } from "./listener/tls.ts";
import type { RequestHead } from "./head.ts";
import type { AccessList } from "./access/access-list.ts";
import { keyOf } from "./headers.ts";
import type { Passage } from "./passage.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";

/** What a listener's config says of every request that comes by it. */
export interface Entrance {
  readonly tls: ListenerTls | undefined;
  /** The value of Strict-Transport-Security. */
  readonly hsts: string | undefined;
  /** Requests are sent to https:// at this port. */
  readonly redirectPort: number | undefined;
  /** Which clients get in; undefined: all. */
  readonly access: AccessList | undefined;
  /** Connections of denied addresses are reset before a byte is read. */
  readonly closesOnDenied: boolean;
}

const httpsPort = 443;

/** Why a client does not get past its listener. */
export function deniedRefusal(access: AccessList | undefined, client: string): Refusal | undefined {
  if (access?.whyDenied(client) === undefined) return undefined;
  return { ...refusal(403, "DENIED", "this client is not let in"), ends: true };
}

/** Why a request does not get past its listener: it belongs to another, or to HTTPS. */
export function entranceRefusal(
  { host, target }: RequestHead,
  facts: TlsFacts | undefined,
  { tls, redirectPort }: Entrance,
): Refusal | undefined {
  if (redirectPort !== undefined) {
    if (host === "") return refusal(400, "BAD_REQUEST", "no Host: there is nowhere to redirect to");
    const authority = redirectPort === httpsPort ? bracketed(host) : formatSocketAddress(host, redirectPort);
    const location = `https://${authority}${target.startsWith("/") ? target : "/"}`;
    return refusal(308, "REDIRECTED", "this is served over HTTPS", ["Location", location]);
  }
  if (!tls || !facts || facts.serverName === "" || facts.serverName === host) return undefined;
  // The client shares a connection between names that one certificate has (RFC 9110 §15.5.20); others it must ask for.
  if (tls.certificates.find(host).file === tls.certificates.find(facts.serverName).file) return undefined;
  return refusal(421, "MISDIRECTED", "this connection was opened for another name");
}

/** As it stands in a URL. */
function bracketed(host: string): string {
  return host.includes(":") && parseAddress(host) ? `[${host}]` : host;
}

/** Says once that only HTTPS will do, whatever the server says (RFC 6797 §7.1). */
export function setHsts(lines: string[], value: string): void {
  for (let i = lines.length - 2; i >= 0; i -= 2)
    if (keyOf(lines[i] ?? "") === "strict-transport-security") lines.splice(i, 2);
  lines.push("Strict-Transport-Security", value);
}

/** What every answer of the router's own says beside its reason. */
export function ownLines(passage: Passage, { hsts }: Entrance): string[] {
  const lines = passage.answerLines();
  if (hsts !== undefined) setHsts(lines, hsts);
  return lines;
}
