import type { Reason } from "#shared/core/error.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import type { RequestTrace } from "./trace-context.ts";

/** One request that is over, as its spans tell it. Moments are of the wall clock, in ms. */
export interface RequestFacts {
  readonly trace: RequestTrace;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly method: string;
  readonly scheme: "http" | "https";
  /** As it came. */
  readonly target: string;
  readonly authority: string;
  readonly version: string;
  readonly client: string;
  readonly peer: string;
  readonly userAgent: string | undefined;
  readonly requestId: string;
  /** Path of the match of its route; undefined where that has none. */
  readonly routePath: string | undefined;
  /** Name or number, or what answered instead of one. */
  readonly route: string;
  readonly pool: string;
  readonly status: number;
  readonly reason: Reason;
  readonly attempts: readonly AttemptFacts[];
}

export interface AttemptFacts {
  readonly spanId: string;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** "address:port"; undefined where there was nobody to try. */
  readonly endpoint: string | undefined;
  readonly name: string | undefined;
  readonly zone: string | undefined;
  readonly outcome: Reason;
  /** It went beside the one before. */
  readonly isHedge: boolean;
  readonly isReused: boolean;
}

export type Attributes = Record<string, string | number | boolean>;

/** A span as it is exported. */
export interface SpanFacts {
  readonly name: string;
  readonly kind: "server" | "client";
  readonly spanId: string;
  /** Undefined at the root of a trace. */
  readonly parentId: string | undefined;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly attributes: Attributes;
  readonly isError: boolean;
}

// RFC 9110 and 5789: other methods would be names without end. @see semantic conventions, http.request.method
const knownMethods: ReadonlySet<string> = new Set(
  "CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT QUERY TRACE".split(" "),
);
const textMax = 2_048; // characters of what a client has chosen

/** The span of a request, and one for each try at a server.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/ */
export function spansOf(facts: RequestFacts): SpanFacts[] {
  const spans = [serverSpan(facts)];
  for (const [i, attempt] of facts.attempts.entries()) spans.push(attemptSpan(facts, attempt, i));
  return spans;
}

function serverSpan(facts: RequestFacts): SpanFacts {
  const { trace, startedAtMs, endedAtMs, status, reason, routePath, scheme, target, authority } = facts;
  const [path = "", ...query] = target.split("?");
  const attributes: Attributes = {
    ...methodAttributes(facts.method),
    "url.scheme": scheme,
    "url.path": cut(path),
    "network.protocol.version": facts.version,
    "network.peer.address": facts.peer,
    "client.address": facts.client,
    "watershed.route": facts.route,
    "watershed.request_id": facts.requestId,
    "watershed.reason": reason,
  };
  if (query.length > 0) attributes["url.query"] = cut(query.join("?"));
  if (routePath !== undefined) attributes["http.route"] = routePath;
  if (facts.userAgent !== undefined) attributes["user_agent.original"] = cut(facts.userAgent);
  if (facts.pool !== "") attributes["watershed.pool"] = facts.pool;
  if (facts.attempts.length > 0) attributes["watershed.attempts"] = facts.attempts.length;
  addServer(attributes, authority, scheme === "https" ? 443 : 80);
  // 499 is what the log calls a client that left: nothing was sent.
  if (status !== 499) attributes["http.response.status_code"] = status;
  // A client's mistake is no error of the server.
  const isError = status >= 500 || (status === 499 && reason !== "OK") || isCut(status, reason);
  if (isError) attributes["error.type"] = reason === "OK" ? String(status) : reason;
  const name = routePath === undefined ? methodName(facts.method) : `${methodName(facts.method)} ${routePath}`;
  return {
    name,
    kind: "server",
    spanId: trace.spanId,
    parentId: trace.parentId,
    startedAtMs,
    endedAtMs,
    attributes,
    isError,
  };
}

/** An answer that began well and did not become whole. */
function isCut(status: number, reason: Reason): boolean {
  return status < 400 && (reason === "UPSTREAM_RESET" || reason === "UPSTREAM_INVALID" || reason === "CLIENT_GONE");
}

function attemptSpan(facts: RequestFacts, attempt: AttemptFacts, index: number): SpanFacts {
  const { endpoint, outcome, name, zone } = attempt;
  const answered = outcome === "OK" && facts.status > 0 && facts.status !== 499;
  const attributes: Attributes = {
    ...methodAttributes(facts.method),
    "url.full": cut(`http://${endpoint ?? ""}${facts.target.startsWith("/") ? facts.target : ""}`),
    "network.protocol.name": "http",
    "watershed.outcome": outcome,
    "watershed.hedge": attempt.isHedge,
    "watershed.connection_reused": attempt.isReused,
  };
  if (endpoint !== undefined) addServer(attributes, endpoint, 80);
  if (name !== undefined) attributes["watershed.endpoint"] = name;
  if (zone !== undefined) attributes["watershed.zone"] = zone;
  if (index > 0) attributes["http.request.resend_count"] = index;
  if (answered) attributes["http.response.status_code"] = facts.status;
  // That another was faster is nobody's error. To whoever asks, a 4xx is one.
  const isError = outcome === "HEDGED" ? false : !answered || facts.status >= 400;
  if (isError) attributes["error.type"] = outcome === "OK" ? String(facts.status) : outcome;
  const { spanId, startedAtMs, endedAtMs } = attempt;
  const parentId = facts.trace.spanId;
  return {
    name: methodName(facts.method),
    kind: "client",
    spanId,
    parentId,
    startedAtMs,
    endedAtMs,
    attributes,
    isError,
  };
}

function methodName(method: string): string {
  return knownMethods.has(method) ? method : "HTTP";
}

function methodAttributes(method: string): Attributes {
  if (knownMethods.has(method)) return { "http.request.method": method };
  return { "http.request.method": "_OTHER", "http.request.method_original": cut(method) };
}

function addServer(attributes: Attributes, authority: string, defaultPort: number): void {
  if (authority === "") return;
  const address = parseSocketAddress(authority);
  const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(authority) ?? [];
  attributes["server.address"] = cut(address?.host ?? name ?? authority);
  attributes["server.port"] = address?.port ?? Number(port ?? defaultPort);
}

function cut(text: string): string {
  return text.length > textMax ? text.slice(0, textMax) : text;
}
