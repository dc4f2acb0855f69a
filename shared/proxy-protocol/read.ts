import type { ProxyProtocolVersion, ReadResult } from "./header.ts";
import { readV1 } from "./v1.ts";
import { readV2 } from "./v2.ts";

/** Reads at the start of the bytes got so far. Never throws, and asks for "more" only while a bounded header may still come:
 * 107 bytes of v1, 4,328 of v2. */
export function readProxyHeader(bytes: Buffer, accept: ProxyProtocolVersion): ReadResult {
  return accept === "v1" ? readV1(bytes) : readV2(bytes);
}
