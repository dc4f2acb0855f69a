import { afterEach, describe, expect, it, vi } from "vitest";
import type { EndpointStatus, PoolStatus } from "#shared/endpoint/status.ts";
import type { NodeReport } from "./ask.ts";
import { statusText } from "./table.ts";

const nowMs = Date.parse("2030-01-01T00:01:00Z");

function report(name: string, service: string, more: Partial<NodeReport>): NodeReport {
  return { name, service, admin: "127.0.0.1:1", status: null, reason: null, error: null, refusedWith: null, ...more };
}

function endpoint(name: string, more: Partial<EndpointStatus> = {}): EndpointStatus {
  return {
    address: "127.11.1.1:7002",
    name,
    zone: null,
    state: "up",
    eligible: true,
    reason: "OK",
    since: "2030-01-01T00:00:00Z",
    active: 0,
    weight: 1,
    backup: false,
    latencyMs: null,
    lastCheck: null,
    ...more,
  };
}

function pool(endpoints: readonly EndpointStatus[]): PoolStatus {
  return { name: "api", balance: "round-robin", eligible: 1, panic: false, essential: true, endpoints };
}

const down = { state: "down", eligible: false, reason: "CHECK_REFUSED" } as const;
const servers = [
  { name: "api-1", service: "api", address: "127.11.1.100:9000", state: "running", connections: 2 },
  { name: "api-2", service: "api", address: "127.11.1.101:9000", state: "stopped", connections: 0 },
];
const nodes = [
  report("a/origin", "origin", { status: { state: "ready", servers } }),
  report("a/l4-1", "l4-forwarder", {
    status: { state: "ready", pools: [pool([endpoint("api-1"), endpoint("api-2", down)])] },
  }),
  report("r/l7-1", "l7-router", { status: { state: "ready", pools: [pool([endpoint("a/l4-1")])] } }),
  report("r/l7-2", "l7-router", { reason: "CONNECT_FAILED", error: "connect refused" }),
  report("ns1", "geodns", { reason: "UPSTREAM_INVALID", error: "answered 401", refusedWith: 401 }),
];

const linesOf = (text: string) => text.split("\n").map((line) => line.replaceAll(/ {2,}/g, "  "));

describe("the table of status", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("has a row for every endpoint and server, and one line a tier that sums it up", () => {
    vi.stubEnv("WATERSHED_ADMIN_TOKEN", "");
    vi.stubEnv("WATERSHED_ADMIN_TOKEN_FILE", "");
    expect(linesOf(statusText(nodes, nowMs, { problems: false }))).toEqual([
      "tier  node  pool  endpoint  name  zone  state  reason  since  active  weight  last check",
      "name servers  ns1  refused  401: set WATERSHED_ADMIN_TOKEN",
      "routers  r/l7-1  api  127.11.1.1:7002  a/l4-1  up  OK  1m  0  1",
      "routers  r/l7-2  unreachable  CONNECT_FAILED  connect refused",
      "forwarders  a/l4-1  api  127.11.1.1:7002  api-1  up  OK  1m  0  1",
      "forwarders  a/l4-1  api  127.11.1.1:7002  api-2  down  CHECK_REFUSED  1m  0  1",
      "origins  a/origin  api  127.11.1.100:9000  api-1  running  2",
      "origins  a/origin  api  127.11.1.101:9000  api-2  stopped  0",
      "",
      "tier  nodes ready  endpoints up  not up",
      "name servers  0/1  0/0  ns1 refused",
      "routers  1/2  1/1  r/l7-2 unreachable",
      "forwarders  1/1  1/2  a/api-2 down",
      "origins  1/1  1/2  a/api-2 stopped",
      "",
    ]);
  });

  it("says below who moves the bytes of the forwarders' listeners, and why", () => {
    const inKernel = { mode: "kernel", why: "nftables can be used" };
    const listeners = [
      { pool: "web", ...inKernel },
      { pool: "api", mode: "userspace", why: "PROXY headers change the bytes of a connection" },
      { pool: "db", ...inKernel },
    ];
    const status = { state: "ready", pools: [], listeners };
    const forwarders = ["a/l4-1", "a/l4-2"].map((name) => report(name, "l4-forwarder", { status }));
    expect(linesOf(statusText(forwarders, nowMs, { problems: false })).slice(-4)).toEqual([
      "carried by  listeners  pools  why",
      "kernel  4  web, db  nftables can be used",
      "userspace  2  api  PROXY headers change the bytes of a connection",
      "",
    ]);
    expect(statusText(forwarders, nowMs, { problems: true })).not.toContain("carried by");
  });

  it("says of a token that it is another one than the stack's", () => {
    vi.stubEnv("WATERSHED_ADMIN_TOKEN", "wrong");
    expect(statusText(nodes, nowMs, { problems: false })).toContain("401: WATERSHED_ADMIN_TOKEN is not the stack's");
  });

  it("has the rows of what is not up alone where that is wanted", () => {
    const [table = ""] = statusText(nodes, nowMs, { problems: true }).split("\n\n");
    const about = linesOf(table).slice(1);
    expect(about.map((line) => line.split("  ")[1])).toEqual(["ns1", "r/l7-2", "a/l4-1", "a/origin"]);
    expect(statusText(nodes.slice(2, 3), nowMs, { problems: true })).toMatch(/^tier +nodes ready/);
  });

  it("names five of what is not up and counts the rest, each once however many see it", () => {
    const many = Array.from({ length: 7 }, (_, i) => endpoint(`api-${i}`, down));
    const status = { state: "ready", pools: [pool(many)] };
    const both = ["a/l4-1", "a/l4-2"].map((name) => report(name, "l4-forwarder", { status }));
    expect(statusText(both, nowMs, { problems: false })).toMatch(
      /0\/14 +a\/api-0 down, .*a\/api-4 down, and 2 more\n$/,
    );
  });
});
