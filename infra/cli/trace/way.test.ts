import { describe, expect, it } from "vitest";
import type { CandidateReport, Choice } from "#shared/endpoint/status.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { detailText } from "./details.ts";
import { traceJson } from "./json.ts";
import type { Trace } from "./trace.ts";
import { wayLines } from "./way.ts";

const ns1: TopologyNode = {
  name: "ns1",
  service: "geodns",
  region: null,
  zone: null,
  address: "127.53.0.1",
  admin: "127.53.0.1:7900",
  listens: [],
};
const ns2 = { ...ns1, name: "ns2", address: "127.53.0.2" };

function candidate(name: string, address: string, more: Partial<CandidateReport> = {}): CandidateReport {
  return { address, name, zone: "eu-west-a", active: 0, weight: 1, reason: "OK", picked: false, ...more };
}

const forwarderChoice: Choice = {
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
const serverChoice: Choice = {
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
const straight = {
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

const firstDns = "client 127.49.0.7 (DE) → ns1 www.stream.test → eu-west 127.11.0.1, .2 (continent EU, scope /16)";
const firstRouter = "  → eu-west/l7-1  /api/users → api → zone eu-west-a (least-connections, 0 active)";
const firstForwarder = "  → eu-west-a/l4-2 → api-3 127.11.1.102 (round-robin) → 200 in 4 ms";

describe("the way of a request", () => {
  it("is three lines where everything went straight", () => {
    expect(wayLines(straight)).toEqual([firstDns, firstRouter, firstForwarder]);
  });

  const refused = { ...forwarderChoice, name: "eu-west-a/l4-1", address: "127.11.1.1:7002" };
  const dnsRecord = straight.dns.record;
  const cases: { name: string; trace: Trace; lines: string[] }[] = [
    {
      name: "tells a failover of the region, and a client known by its subnet",
      trace: {
        ...straight,
        client: {
          address: "81.2.69.142",
          country: null,
          localAddress: "127.0.0.1",
          subnet: { bytes: Uint8Array.of(81, 2, 69, 0), prefix: 24 },
        },
        dns: {
          ...straight.dns,
          record: {
            ...dnsRecord,
            decision: {
              ...dnsRecord.decision,
              place: { country: "GB", continent: "EU" },
              reason: "REGION_FAILOVER",
              region: "us-east",
              scope: 15,
            },
          },
        },
      },
      lines: [
        "client 81.2.69.142 (GB) → ns1 www.stream.test → us-east 127.11.0.1, .2 (continent EU, REGION_FAILOVER, scope /15, as a client subnet from 127.0.0.1)",
        firstRouter,
        firstForwarder,
      ],
    },
    {
      name: "counts what the client itself retried: a name server and a router that did not answer",
      trace: {
        ...straight,
        dns: { ...straight.dns, failures: [{ server: ns2, reason: "TIMEOUT", message: "no answer" }] },
        tries: [
          {
            address: "127.11.0.2:8080",
            router: "eu-west/l7-2",
            outcome: "CONNECT_FAILED",
            message: "refused",
            tookMs: 0.31,
          },
          ...straight.tries,
        ],
      },
      lines: [
        firstDns,
        "  ✗ ns2 TIMEOUT, the next name server is asked",
        "  ✗ eu-west/l7-2 CONNECT_FAILED after 0.3 ms: the client tries the next address",
        firstRouter,
        firstForwarder,
      ],
    },
    {
      name: "shows the attempts that failed before the last, in both tiers",
      trace: {
        ...straight,
        http: {
          ...straight.http,
          decision: {
            ...straight.http.decision,
            attempts: [
              { choice: refused, outcome: "CONNECT_FAILED", tookMs: 1, connection: null },
              {
                ...straight.http.decision.attempts[0],
                choice: { ...forwarderChoice, zone: "eu-west-b", reason: "ZONE_FAILOVER" },
              },
            ],
          },
        },
        connections: [
          {
            ...straight.connections[0],
            attempt: 2,
            record: {
              ...straight.connections[0].record,
              decision: {
                ...straight.connections[0].record.decision,
                attempts: [
                  { choice: { ...serverChoice, name: "api-1" }, outcome: "CONNECT_TIMEOUT", tookMs: 1_000 },
                  { choice: serverChoice, outcome: "OK", tookMs: 0.3 },
                ],
              },
            },
          },
        ],
      },
      lines: [
        firstDns,
        "  → eu-west/l7-1  /api/users → api → zone eu-west-b (least-connections, 0 active, ZONE_FAILOVER)",
        "    ✗ eu-west-a/l4-1 CONNECT_FAILED after 1 ms: the router tries another",
        "    ✗ api-1 CONNECT_TIMEOUT after 1.0 s: the forwarder tries another",
        firstForwarder,
      ],
    },
    {
      name: "says that a record is missing instead of making one up",
      trace: {
        ...straight,
        connections: [
          {
            ...straight.connections[0],
            record: {
              ...straight.connections[0].record,
              decision: null,
              missing: "eu-west-a/l4-2 has no record of it",
            },
          },
        ],
      },
      lines: [
        firstDns,
        firstRouter,
        "  → eu-west-a/l4-2 (no record: eu-west-a/l4-2 has no record of it) → 200 in 4 ms",
      ],
    },
    {
      name: "ends at the router where no route matched",
      trace: {
        ...straight,
        http: {
          ...straight.http,
          decision: { route: null, pool: null, attempts: [], reason: "NO_ROUTE", status: 404 },
        },
        connections: [],
        answer: { ...straight.answer, status: 404 },
      },
      lines: [firstDns, "  → eu-west/l7-1  /api/users → NO_ROUTE → 404 in 4 ms"],
    },
    {
      name: "ends where no router answered",
      trace: {
        ...straight,
        tries: [
          {
            address: "127.11.0.1:8080",
            router: "eu-west/l7-1",
            outcome: "CONNECT_TIMEOUT",
            message: "",
            tookMs: 1_000,
          },
        ],
        http: null,
        connections: [],
        answer: null,
      },
      lines: [firstDns, "  ✗ eu-west/l7-1 CONNECT_TIMEOUT after 1.0 s"],
    },
    {
      name: "ends where the name has no address",
      trace: {
        ...straight,
        dns: {
          ...straight.dns,
          answer: { ...straight.dns.answer, rcode: "NXDOMAIN", addresses: [] },
          record: {
            ...dnsRecord,
            decision: { ...dnsRecord.decision, place: null, rule: "static records", region: null, regions: [] },
          },
        },
        tries: [],
        http: null,
        connections: [],
        answer: null,
      },
      lines: ["client 127.49.0.7 (DE) → ns1 www.stream.test → NXDOMAIN, no address (static records)"],
    },
  ];
  it.each(cases)("$name", ({ trace, lines }) => expect(wayLines(trace)).toEqual(lines));

  it("lets no control character of an answering node through", () => {
    const name = "api-3\u001b[2J";
    const [connection] = straight.connections;
    const decision = {
      ...connection.record.decision,
      attempts: [{ choice: { ...serverChoice, name }, outcome: "OK" as const, tookMs: 1 }],
    };
    const trace = { ...straight, connections: [{ ...connection, record: { ...connection.record, decision } }] };
    expect(wayLines(trace).at(-1)).toContain("api-3?[2J");
  });
});

describe("the details", () => {
  it("name every tier with its candidates and why the others were not taken", () => {
    expect(detailText(straight)).toBe(`GeoDNS  ns1: www.stream.test A: NOERROR, 2 addresses, TTL 10 s, in 1 ms
  client in DE, continent EU: override 127.49.0.0/16 by source address
  continent EU → eu-west (OK)
       region        state  reason
    →  eu-west       up     OK
         127.11.0.1  up     OK
       us-east       down   UNHEALTHY
         127.12.0.1  down   CHECK_REFUSED

L7  eu-west/l7-1: route 0 {"path":"/api/*"} → pool api
  request id req-1
  attempt 1: eu-west-a/l4-2 by least-connections (OK): OK in 3 ms, connection 127.11.0.1:40312 (kept alive)
       endpoint         name            zone       reason      active  weight
       127.11.1.1:7002  eu-west-a/l4-1  eu-west-a  OK               3       1
    →  127.11.1.2:7002  eu-west-a/l4-2  eu-west-a  OK               0       1
       127.11.2.1:7002  eu-west-b/l4-1  eu-west-b  OTHER_ZONE       0       1

L4  eu-west-a/l4-2: connection 127.11.0.1:40312, opened 3s ago, pool api
  attempt 1: api-3 by round-robin (OK): OK in 0.3 ms
       endpoint           name   zone  reason     active  weight
       127.11.1.100:9000  api-1        UNHEALTHY       0       1
    →  127.11.1.102:9000  api-3        OK              0       1

Answer  200, 18 bytes; connected after 0.2 ms, first byte 4 ms, all 4 ms
  content-type: application/json
  {"server":"api-3"}
`);
  });

  it("as JSON hold the records as the nodes gave them", () => {
    expect(traceJson(straight)).toMatchObject({
      clientRetries: 0,
      dns: { server: "ns1", decision: { more: "than the text shows" } },
      answer: { status: 200, body: '{"server":"api-3"}' },
    });
  });
});
