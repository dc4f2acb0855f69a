import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import type { TopologyNode } from "#shared/topology/topology.ts";
import { followDecisions } from "./follow.ts";
import { isWanted, readDecision } from "./seen.ts";
import type { TapFilters } from "./seen.ts";

const dns = {
  name: "www.stream.test",
  type: "A",
  client: "127.0.0.1",
  ecs: "81.2.69.0/24",
  place: { country: "GB", continent: "EU" },
  region: "eu-west",
  rcode: "NOERROR",
  answer: ["127.11.0.1", "127.11.0.2"],
  rule: "nearest",
  reason: "OK",
};
const http = {
  client: "127.49.0.7",
  method: "GET",
  path: "/api/users",
  routeName: "3",
  pool: "api",
  attempts: [
    { choice: { name: "eu-west-a/l4-1", address: "127.11.1.1:7002" } },
    { choice: { name: "eu-west-b/l4-1", address: "127.11.2.1:7002" } },
  ],
  status: 502,
  reason: "CONNECT_FAILED",
  tookMs: 3.1,
};
const tcp = {
  client: "[2001:db8::1]:5000",
  pool: "db",
  server: "127.11.1.200:9000",
  serverName: "db-1",
  ageMs: 4,
  bytesUp: 6,
  bytesDown: 4_100,
  reason: null,
};

describe("a decision on a line", () => {
  it("of a name server: who, what, which region, and by which rule", () => {
    expect(readDecision("geodns", dns)?.text).toBe(
      "81.2.69.0/24 GB  www.stream.test A → eu-west  127.11.0.1 127.11.0.2  OK: nearest",
    );
    const missing = {
      ...dns,
      rcode: "NXDOMAIN",
      region: null,
      place: null,
      answer: [],
      ecs: null,
      rule: "static records",
    };
    expect(readDecision("geodns", missing)?.text).toBe("127.0.0.1 -  www.stream.test A → NXDOMAIN  OK: static records");
  });

  it("of a router: the request, its route, the last that was tried, and how it ended", () => {
    expect(readDecision("l7-router", http)?.text).toBe(
      "127.49.0.7  GET /api/users → route 3, api eu-west-b/l4-1  502 CONNECT_FAILED  3.1 ms, 2 tries",
    );
    const own = { ...http, pool: null, attempts: [], routeName: "none", path: "/\u001b[31m" };
    expect(readDecision("l7-router", own)?.text).toContain("GET /?[31m → route none, no pool  502");
  });

  it("of a forwarder: the connection that is over", () => {
    expect(readDecision("l4-forwarder", tcp)).toMatchObject({
      client: "[2001:db8::1]",
      text: "[2001:db8::1]:5000 → db db-1  OK  6 B up, 4.1 kB down, 4 ms",
    });
  });

  it("of another version, or of an origin, is none", () => {
    expect(readDecision("l7-router", dns)).toBeUndefined();
    expect(readDecision("origin", http)).toBeUndefined();
  });
});

describe("filters", () => {
  const none: TapFilters = { country: [], route: [], pool: [], status: [], reason: [] };
  it.each([
    { filters: {}, wanted: [dns, http, tcp] },
    { filters: { country: ["de", "gb"] }, wanted: [dns] },
    { filters: { route: ["3"] }, wanted: [http] },
    { filters: { pool: ["db", "web"] }, wanted: [tcp] },
    { filters: { status: ["5xx"] }, wanted: [http] },
    { filters: { status: ["502"] }, wanted: [http] },
    { filters: { status: ["noerror"] }, wanted: [dns] },
    { filters: { status: ["4xx"] }, wanted: [] },
    { filters: { reason: ["OK"] }, wanted: [dns, tcp] },
    { filters: { pool: ["api"], status: ["2xx"] }, wanted: [] },
  ])("$filters", ({ filters, wanted }) => {
    const all = [readDecision("geodns", dns)!, readDecision("l7-router", http)!, readDecision("l4-forwarder", tcp)!];
    const kept = all.map((seen) => isWanted(seen, { ...none, ...filters }));
    expect(kept).toEqual([dns, http, tcp].map((one) => (wanted as unknown[]).includes(one)));
  });
});

describe("following a node", () => {
  async function nodeThatAnswers(status: number, body: string) {
    const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, "127.0.0.1");
    await once(server, "listening");
    const node = { name: "ns1", service: "geodns", admin: `127.0.0.1:${(server.address() as AddressInfo).port}` };
    return { node: node as TopologyNode, [Symbol.dispose]: () => void server.close() };
  }

  /** What is told until the node falls silent. */
  async function told(node: TopologyNode): Promise<unknown[]> {
    const all: unknown[] = [];
    const stop = new AbortController();
    await followDecisions(node, stop.signal, {
      decision: (_node, decision) => void all.push(decision),
      passedOver: (_node, count) => void all.push(count),
      silent: (_node, why) => {
        all.push(why);
        stop.abort();
      },
    });
    return all;
  }

  it("tells its decisions, how many were passed over, and when it ends", async () => {
    const event = (type: string, data: unknown) => `id: 1\nevent: ${type}\ndata: ${JSON.stringify({ type, data })}\n\n`;
    const body = event("decision", { a: 1 }) + event("endpoint_up", {}) + event("decisions_passed_over", { count: 7 });
    using server = await nodeThatAnswers(200, body);
    expect(await told(server.node)).toEqual([{ a: 1 }, 7, "the stream ended"]);
  });

  it("tells that it is not there, or does not know how", async () => {
    using broken = await nodeThatAnswers(500, "");
    expect(await told(broken.node)).toEqual(["HTTP 500"]);
    expect(await told({ ...broken.node, admin: "127.0.0.1:1" }), "a port that browsers do not ask").toEqual([
      "ECONNREFUSED",
    ]);
  });

  it("gives up where it is refused", async () => {
    using server = await nodeThatAnswers(401, "");
    await expect(told(server.node)).rejects.toThrow("ns1 answered 401: set WATERSHED_ADMIN_TOKEN");
  });
});
