import type { ProxyHeader } from "./header.ts";
import { writeV1 } from "./v1.ts";
import { writeV2 } from "./v2.ts";

export { acceptProxyHeader } from "./accept.ts";
export { tlvAffinity, tlvCrc32c, tlvEndpoint, tlvNoop, tlvUniqueId, tlvZone } from "./header.ts";
export type { ProxyHeader, ProxyProtocolVersion, ReadResult, Tlv } from "./header.ts";
export { readProxyHeader } from "./read.ts";

/** The bytes of a header, in its own version. TLVs are left out of v1, which has none. */
export function writeProxyHeader(header: ProxyHeader): Buffer {
  return header.version === "v1" ? writeV1(header) : writeV2(header);
}
