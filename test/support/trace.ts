import type { CandidateReport, Choice } from "#shared/endpoint/status.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Trace } from "#cli/trace/trace.ts";

export const ns1: TopologyNode = {
  name: "ns1",
  service: "geodns",
  region: null,
  zone: null,
  address: "127.53.0.1",
  admin: "127.53.0.1:7900",
  listens: [],
  localAddress: "127.53.0.1",
};
export const ns2 = { ...ns1, name: "ns2", address: "127.53.0.2" };

function candidate(name: string, address: string, more: Partial<CandidateReport> = {}): CandidateReport {
  return { address, name, zone: "eu-west-a", active: 0, weight: 1, reason: "OK", picked: false, ...more };
}

export const forwarderChoice: Choice = {
  pool: "api",
  balance: "least-connections",
  address: "127.11.1.2:7002",
  name: "eu-west-a/l4-2",
  zone: "eu-west-a",
  reason: "OK",
  active: 0,
  candidates: [
    candidate("eu-west-a/l4-1", "127.11.1.1:7002", { active: 3 }),
    candidate("eu-west-a/l4-2", "127.11.1.2:7002", { picked: true }),
    candidate("eu-west-b/l4-1", "127.11.2.1:7002", { zone: "eu-west-b", reason: "OTHER_ZONE" }),
  ],
};
export const serverChoice: Choice = {
  pool: "api",
  balance: "round-robin",
  address: "127.11.1.102:9000",
  name: "api-3",
  zone: null,
  reason: "OK",
  active: 1,
  candidates: [
    candidate("api-1", "127.11.1.100:9000", { zone: null, reason: "UNHEALTHY" }),
    candidate("api-3", "127.11.1.102:9000", { zone: null, picked: true }),
  ],
};

/** A request that went straight through. */
export const straight = {
  id: "5d1e7f0a",
  client: { address: "127.49.0.7", country: "DE", localAddress: "127.49.0.7", subnet: null },
  method: "GET",
  target: { host: "www.stream.test", address: null, port: null, hostHeader: "www.stream.test", path: "/api/users" },
  dns: {
    server: ns1,
    failures: [],
    answer: {
      rcode: "NOERROR",
      truncated: false,
      addresses: ["127.11.0.1", "127.11.0.2"],
      ttlSeconds: 10,
      scope: null,
    },
    tookMs: 1.2,
    record: {
      node: "ns1",
      missing: null,
      raw: { rule: "continent EU", more: "than the text shows" },
      decision: {
        place: { country: "DE", continent: "EU" },
        decidedBy: "client",
        source: { kind: "override", network: "127.49.0.0/16" },
        rule: "continent EU",
        reason: "OK",
        region: "eu-west",
        regions: [
          {
            region: "eu-west",
            healthy: true,
            reason: "OK",
            addresses: [{ address: "127.11.0.1", state: "up", reason: "OK" }],
          },
          {
            region: "us-east",
            healthy: false,
            reason: "UNHEALTHY",
            addresses: [{ address: "127.12.0.1", state: "down", reason: "CHECK_REFUSED" }],
          },
        ],
        scope: 16,
      },
    },
  },
  tries: [{ address: "127.11.0.1:8080", router: "eu-west/l7-1", outcome: "OK", message: null, tookMs: 4 }],
  http: {
    node: "eu-west/l7-1",
    missing: null,
    raw: null,
    decision: {
      requestId: "req-1",
      route: { index: 0, match: { path: "/api/*" } },
      pool: "api",
      attempts: [{ choice: forwarderChoice, outcome: "OK", tookMs: 3.2, connection: "127.11.0.1:40312", reused: true }],
      status: 200,
    },
  },
  connections: [
    {
      attempt: 1,
      connection: "127.11.0.1:40312",
      record: {
        node: "eu-west-a/l4-2",
        missing: null,
        raw: null,
        decision: {
          connection: "127.11.0.1:40312",
          pool: "api",
          ageMs: 3_200,
          attempts: [{ choice: serverChoice, outcome: "OK", tookMs: 0.3 }],
        },
      },
    },
  ],
  answer: {
    status: 200,
    headers: [["content-type", "application/json"]],
    body: Buffer.from('{"server":"api-3"}'),
    bodyBytes: 18,
    complete: true,
    connectMs: 0.2,
    firstByteMs: 3.9,
    tookMs: 4.1,
  },
} as const satisfies Trace;
