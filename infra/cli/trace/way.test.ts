import type { Reason } from "#shared/core/error.ts";
import { describe, expect, it } from "vitest";
import { forwarderChoice, ns2, serverChoice, straight } from "#test/support/trace.ts";
import { detailText } from "./details.ts";
import { traceJson } from "./json.ts";
import type { Trace } from "./trace.ts";
import { wayLines } from "./way.ts";

const firstDns = "client 127.49.0.7 (DE) → ns1 www.stream.test → eu-west 127.11.0.1, .2 (continent EU, scope /16)";
const firstRouter = "  → eu-west/l7-1  /api/users → api → zone eu-west-a (least-connections, 0 active)";
const firstForwarder = "  → eu-west-a/l4-2 → api-3 127.11.1.102 (round-robin) → 200 in 4 ms";

describe("the way of a request", () => {
  it("is three lines where everything went straight", () => {
    expect(wayLines(straight)).toEqual([firstDns, firstRouter, firstForwarder]);
  });

  const refused = { ...forwarderChoice, name: "eu-west-a/l4-1", address: "127.11.1.1:7002" };
  const dnsRecord = straight.dns.record;
  const staticDecision = { ...dnsRecord.decision, place: null, rule: "static records", region: null, regions: [] };
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
      name: "says that a name is in none of the DNS zones",
      trace: {
        ...straight,
        dns: {
          ...straight.dns,
          answer: { ...straight.dns.answer, rcode: "REFUSED", addresses: [] },
          record: {
            ...dnsRecord,
            decision: { ...staticDecision, rule: "outside every DNS zone", reason: "NOT_OUR_ZONE" },
          },
        },
        tries: [],
        http: null,
        connections: [],
        answer: null,
      },
      lines: [
        "client 127.49.0.7 (DE) → ns1 www.stream.test → REFUSED, no address (outside every DNS zone, NOT_OUR_ZONE)",
      ],
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
            decision: staticDecision,
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

  it("says where the kernel has chosen the server", () => {
    const [connection] = straight.connections;
    const attempts = [{ choice: { ...serverChoice, candidates: [] }, outcome: "OK" as const, tookMs: null }];
    const decision = { ...connection.record.decision, mode: "kernel", attempts };
    const trace = { ...straight, connections: [{ ...connection, record: { ...connection.record, decision } }] };
    expect(wayLines(trace).at(-1)).toContain("(round-robin, in the kernel) → 200");
    expect(detailText(trace)).toContain("by round-robin (OK): OK\n    the kernel chose among its slots\n");
  });

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

  function withoutRegion(rcode: string, rule: string, reason: Reason): Trace {
    const { dns } = straight;
    const decision = { ...dns.record.decision, place: null, rule, reason, region: null, regions: [] };
    const answer = { ...dns.answer, rcode, addresses: [] };
    const record = { ...dns.record, decision };
    return { ...straight, dns: { ...dns, answer, record }, tries: [], http: null, connections: [], answer: null };
  }

  it.each([
    {
      rcode: "REFUSED",
      rule: "outside every DNS zone",
      reason: "NOT_OUR_ZONE" as const,
      out: "REFUSED (NOT_OUR_ZONE)",
    },
    { rcode: "NXDOMAIN", rule: "static records", reason: "OK" as const, out: "NXDOMAIN" },
  ])("show $rcode as what came out", ({ rcode, rule, reason, out }) => {
    const line = `  ${rule} → ${out}`;
    expect(detailText(withoutRegion(rcode, rule, reason)).split("\n")).toContain(line);
  });

  it("show the reason of each candidate in panic, and that there is one", () => {
    const candidates = serverChoice.candidates.map((one) => ({ ...one, reason: "CHECK_REFUSED" as const }));
    const choice = { ...serverChoice, reason: "PANIC" as const, candidates };
    const [connection] = straight.connections;
    const decision = { ...connection.record.decision, attempts: [{ choice, outcome: "OK" as const, tookMs: 1 }] };
    const text = detailText({
      ...straight,
      connections: [{ ...connection, record: { ...connection.record, decision } }],
    });
    expect(text).toContain("by round-robin (PANIC: too few are eligible");
    expect(text).toMatch(/→ {2}127\.11\.1\.102:9000 +api-3 +CHECK_REFUSED/);
  });

  const long = Buffer.from("x".repeat(299) + "😀" + "y".repeat(3_795)); // as much as is kept without --body
  it("shorten a long body and say how long it is", () => {
    const answer = { ...straight.answer, body: long, bodyBytes: 5_000 };
    const text = detailText({ ...straight, answer });
    expect(text.endsWith(`  ${"x".repeat(299)}…\n  5000 bytes in all; --body shows them\n`)).toBe(true);
  });

  it("show the whole body where that is wanted", () => {
    const answer = { ...straight.answer, body: long, bodyBytes: long.length };
    expect(detailText({ ...straight, answer }, { body: true }).endsWith(`😀${"y".repeat(3_795)}\n`)).toBe(true);
  });

  it("as JSON hold the records as the nodes gave them", () => {
    expect(traceJson(straight)).toMatchObject({
      clientRetries: 0,
      dns: { server: "ns1", decision: { more: "than the text shows" } },
      answer: { status: 200, body: '{"server":"api-3"}' },
    });
  });
});
