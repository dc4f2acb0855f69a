import type { SocketAddress } from "#shared/core/cidr.ts";

export type ProxyProtocolVersion = "v1" | "v2";

/** Type, length, value: an extension of a v2 header. */
export interface Tlv {
  /** 0..255 */
  readonly type: number;
  readonly value: Uint8Array;
}

/** What one PROXY protocol header says of the connection that it begins.
 * @see https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt */
export interface ProxyHeader {
  readonly version: ProxyProtocolVersion;
  /** LOCAL: the sender opened the connection for itself, such as a health check. v1 can only say UNKNOWN, which reads as LOCAL. */
  readonly command: "PROXY" | "LOCAL";
  /** The client. Absent for LOCAL and for families without an IP address: then the connection's own ends count. */
  readonly source?: SocketAddress;
  /** Where the client had connected to. */
  readonly destination?: SocketAddress;
  /** Always empty in v1. */
  readonly tlvs: readonly Tlv[];
}

/** What is known of a header after the bytes got so far. */
export type ReadResult =
  | { readonly state: "more" }
  | { readonly state: "invalid"; readonly why: string }
  | { readonly state: "done"; readonly header: ProxyHeader; readonly bytesRead: number };

/** PP2_TYPE_CRC32C: a checksum of the whole header, 4 bytes. */
export const tlvCrc32c = 0x03;
/** PP2_TYPE_NOOP: padding. */
export const tlvNoop = 0x04;
/** PP2_TYPE_UNIQUE_ID: the connection id that a router gives a connection. */
export const tlvUniqueId = 0x05;

/** Of the range for own use (§2.2.7). The server that was chosen, as the forwarder's config names it. */
export const tlvEndpoint = 0xe0;
/** The zone in which that server stands. */
export const tlvZone = 0xe1;
/** What a router wants to keep together: the forwarder's ip-hash hashes it in place of the client's address. */
export const tlvAffinity = 0xe2;

export function invalid(why: string): ReadResult {
  return { state: "invalid", why };
}
