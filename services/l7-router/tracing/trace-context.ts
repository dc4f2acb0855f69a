import type { UpstreamRequest } from "#l7-router/engine/engine.ts";
import { keyOf } from "#l7-router/headers.ts";

/** Where a request stands in a trace. Ids are hex: 32 digits of a trace, 16 of a span. */
export interface RequestTrace {
  readonly traceId: string;
  /** Of the router's own span of the request. */
  readonly spanId: string;
  /** Of the caller's; undefined where the trace begins here. */
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
}

/** Goes on with a trace, or begins one.
 * @param kept a valid traceparent
 * @param isDrawn whether a trace that begins here is sampled
 * @param randomHex makes so many random bytes as hex
 * @see https://www.w3.org/TR/trace-context/#traceparent-header-field-values */
export function beginTrace(
  kept: string | undefined,
  isDrawn: () => boolean,
  randomHex: (bytes: number) => string,
): RequestTrace {
  const spanId = randomHex(8);
  if (kept === undefined) return { traceId: randomHex(16), spanId, parentId: undefined, isSampled: isDrawn() };
  const [, traceId = "", parentId, flags = ""] = kept.split("-");
  return { traceId, spanId, parentId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** What is told to whoever comes next: that `spanId` is its parent. */
export function traceparentOf({ traceId, isSampled }: RequestTrace, spanId: string): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/** The request as one try sends it: the span of the try is the parent of what the server does. */
export function withTraceparent(request: UpstreamRequest, traceparent: string): UpstreamRequest {
  const at = request.headers.findIndex((text, i) => i % 2 === 0 && keyOf(text) === "traceparent");
  return at < 0 ? request : { ...request, headers: request.headers.with(at + 1, traceparent) };
}
