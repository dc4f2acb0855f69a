import type { RequestHead } from "./head.ts";
import { forwardedHeaders } from "./policy/forwarded-headers.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { randomHex } from "./random-hex.ts";
import type { Site } from "./site.ts";

/** Who asks, and what the server will be told of it. */
export function identify(head: RequestHead, peer: string, { snapshot, viaName }: Site): Forwarded {
  const { seen, authority, version } = head;
  const { isTrusted } = snapshot;
  return forwardedHeaders({ seen, peer, isTrusted, scheme: "http", authority, version, viaName, randomHex });
}
