import type { RequestHead } from "./head.ts";
import type { TlsFacts } from "./listener/tls.ts";
import { forwardedHeaders, keptTraceparent } from "./policy/forwarded-headers.ts";
import type { Forwarded } from "./policy/forwarded-headers.ts";
import { randomHex } from "./random-hex.ts";
import type { Site } from "./site.ts";

/** Who asks, and what the server will be told of it. */
export function identify(
  head: RequestHead,
  { peer, tls }: { readonly peer: string; readonly tls: TlsFacts | undefined },
  { snapshot, viaName, recorders }: Site,
): Forwarded {
  const { seen, authority, version } = head;
  const { isTrusted } = snapshot;
  const scheme = tls ? "https" : "http";
  const certificate = tls?.client;
  const trace = recorders().tracing?.begin(keptTraceparent(seen));
  return forwardedHeaders({
    trace,
    seen,
    peer,
    isTrusted,
    scheme,
    authority,
    version,
    viaName,
    randomHex,
    certificate,
  });
}
