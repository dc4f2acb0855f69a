import { TLSSocket } from "node:tls";
import type { TlsOptions } from "node:tls";
import type { Duplex } from "node:stream";
import type { Certificates } from "#shared/net/certificates.ts";

/** How a listener speaks TLS. */
export interface ListenerTls {
  readonly certificates: Certificates;
  /** Whether clients are asked for a certificate, and whether they are served without one. */
  readonly clientCertificates: "none" | "optional" | "required";
  /** HTTP/2 is offered beside HTTP/1.1, and preferred. */
  readonly http2: boolean;
}

/** What TLS says of a client's connection. */
export interface TlsFacts {
  /** The name that the client asked for (SNI), in small letters; "" if it named none. */
  readonly serverName: string;
  /** Of a certificate that was signed by whom the config trusts. */
  readonly client: ClientCertificate | undefined;
}

export interface ClientCertificate {
  /** Such as "CN=alice,O=Example", printable ASCII. @see RFC 4514 */
  readonly subject: string;
  /** DER in Base64. */
  readonly der: string;
}

const neverMs = 2_147_483_647; // the longest timer

/** For node:tls. Whoever accepts the connection limits the time of its handshake: that of node:tls could not be changed. */
export function tlsOptions({ certificates, clientCertificates, http2 }: ListenerTls): TlsOptions {
  return {
    ...certificates.serverOptions,
    ALPNProtocols: http2 ? ["h2", "http/1.1"] : ["http/1.1"],
    handshakeTimeout: neverMs,
    requestCert: clientCertificates !== "none",
    rejectUnauthorized: clientCertificates === "required",
  };
}

/** @returns undefined without TLS */
export function tlsFactsOf(socket: Duplex): TlsFacts | undefined {
  if (!(socket instanceof TLSSocket)) return undefined;
  const { servername } = socket as TLSSocket & { readonly servername?: unknown };
  return {
    serverName: typeof servername === "string" ? servername.toLowerCase() : "",
    client: socket.authorized ? clientOf(socket) : undefined,
  };
}

function clientOf(socket: TLSSocket): ClientCertificate | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  // One attribute a line, the most general first; escaped but for what is not ASCII.
  const subject = (certificate.subject ?? "").split("\n").reverse().join(",");
  return { subject: subject.replace(/[^\x20-\x7e]/gu, escapeBytes), der: certificate.raw.toString("base64") };
}

function escapeBytes(character: string): string {
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
}
