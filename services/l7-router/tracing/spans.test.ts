import { describe, expect, it } from "vitest";
import { spansOf } from "./spans.ts";
import type { AttemptFacts, RequestFacts } from "./spans.ts";

const attempt: AttemptFacts = {
  spanId: "a".repeat(16),
  startedAtMs: 1_001,
  endedAtMs: 1_009,
  endpoint: "10.0.0.1:9000",
  name: "web-1",
  zone: "eu-west-a",
  outcome: "OK",
  isHedge: false,
  isReused: true,
};
const request: RequestFacts = {
  trace: { traceId: "b".repeat(32), spanId: "c".repeat(16), parentId: undefined, isSampled: true },
  startedAtMs: 1_000,
  endedAtMs: 1_010,
  method: "GET",
  scheme: "https",
  target: "/a",
  authority: "www.stream.test",
  version: "2",
  client: "192.0.2.7",
  peer: "192.0.2.7",
  userAgent: undefined,
  requestId: "r1",
  routePath: "/*",
  route: "shop",
  pool: "web",
  status: 200,
  reason: "OK",
  attempts: [attempt],
};

describe("the span of a request", () => {
  it.each([
    { name: "200", facts: {}, error: undefined },
    { name: "a client's mistake", facts: { status: 404 }, error: undefined },
    { name: "a server's own 500", facts: { status: 500 }, error: "500" },
    { name: "a refusal by the router", facts: { status: 429, reason: "RATE_LIMITED" }, error: undefined },
    { name: "no server", facts: { status: 503, reason: "NO_HEALTHY" }, error: "NO_HEALTHY" },
    { name: "an answer that was cut", facts: { status: 200, reason: "UPSTREAM_RESET" }, error: "UPSTREAM_RESET" },
    { name: "a client that left early", facts: { status: 499, reason: "CLIENT_GONE" }, error: "CLIENT_GONE" },
    { name: "a WebSocket that was idle", facts: { status: 101, reason: "IDLE" }, error: undefined },
  ] as const)("$name: error $error", ({ facts, error }) => {
    const [span] = spansOf({ ...request, ...facts });
    expect([span?.isError, span?.attributes["error.type"]]).toEqual([error !== undefined, error]);
  });

  it("names no method that nobody knows", () => {
    const [span] = spansOf({ ...request, method: "BREW" });
    expect(span).toMatchObject({ name: "HTTP /*", attributes: { "http.request.method": "_OTHER" } });
    expect(span?.attributes["http.request.method_original"]).toBe("BREW");
  });

  it("has no status where none was sent", () => {
    const [span] = spansOf({ ...request, status: 499, reason: "CLIENT_GONE" });
    expect(span?.attributes).not.toHaveProperty("http.response.status_code");
  });

  it.each([
    { authority: "www.stream.test", address: "www.stream.test", port: 443 },
    { authority: "www.stream.test:8443", address: "www.stream.test", port: 8443 },
    { authority: "[2001:db8::1]:8443", address: "2001:db8::1", port: 8443 },
  ])("server of $authority: $address, $port", ({ authority, address, port }) => {
    const [span] = spansOf({ ...request, authority });
    expect(span?.attributes).toMatchObject({ "server.address": address, "server.port": port });
  });

  it("cuts what a client has made very long", () => {
    const [span] = spansOf({
      ...request,
      target: `/${"x".repeat(5_000)}?${"y".repeat(5_000)}`,
      userAgent: "z".repeat(5_000),
    });
    for (const key of ["url.path", "url.query", "user_agent.original"])
      expect(span?.attributes[key]).toHaveLength(2_048);
  });
});

describe("the span of a try", () => {
  it.each([
    { name: "that was answered", facts: {}, outcome: "OK", error: undefined },
    { name: "answered with a 404", facts: { status: 404 }, outcome: "OK", error: "404" },
    { name: "that was refused", facts: { status: 502 }, outcome: "CONNECT_FAILED", error: "CONNECT_FAILED" },
    { name: "that was given up for a faster one", facts: {}, outcome: "HEDGED", error: undefined },
  ] as const)("$name: error $error", ({ facts, outcome, error }) => {
    const [, span] = spansOf({ ...request, ...facts, attempts: [{ ...attempt, outcome }] });
    expect([span?.isError, span?.attributes["error.type"]]).toEqual([error !== undefined, error]);
  });

  it("says where it went, and how", () => {
    const [, , span] = spansOf({
      ...request,
      attempts: [
        { ...attempt, outcome: "TIMEOUT" },
        { ...attempt, isHedge: true },
      ],
    });
    expect(span).toMatchObject({ name: "GET", kind: "client", parentId: request.trace.spanId, startedAtMs: 1_001 });
    expect(span?.attributes).toEqual({
      "http.request.method": "GET",
      "http.request.resend_count": 1,
      "http.response.status_code": 200,
      "url.full": "http://10.0.0.1:9000/a",
      "network.protocol.name": "http",
      "server.address": "10.0.0.1",
      "server.port": 9000,
      "watershed.endpoint": "web-1",
      "watershed.zone": "eu-west-a",
      "watershed.outcome": "OK",
      "watershed.hedge": true,
      "watershed.connection_reused": true,
    });
  });
});
