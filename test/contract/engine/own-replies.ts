import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const refusing = "127.0.0.1:1";

/** Answers by the path; a path that it does not know is not answered. */
function answer({ line, socket }: SeenRequest): void {
  if (line.includes("/reset")) socket.resetAndDestroy();
  else if (line.includes("/noise")) socket.write("noise\r\n\r\n");
  else if (line.includes("/ok"))
    socket.write("HTTP/1.1 200 OK\r\nServer-Timing: db;dur=5\r\nContent-Length: 0\r\n\r\n");
}

const cases: readonly {
  readonly request: string;
  readonly status: number;
  readonly reason: string;
  /** No request was read: no request id, no time of its own. */
  readonly raw?: boolean;
  readonly triesUpstream?: boolean;
}[] = [
  { request: head("GET /health HTTP/1.1"), status: 200, reason: "OK" },
  { request: head("OPTIONS * HTTP/1.1"), status: 200, reason: "OK" },
  { request: "GET / HTTP/1.1\r\nHost : a\r\n\r\n", status: 400, reason: "BAD_REQUEST", raw: true },
  { request: "GET / HTTP/1.1\r\n\r\n", status: 400, reason: "BAD_REQUEST", raw: true },
  { request: head("TRACE / HTTP/1.1"), status: 405, reason: "METHOD_REFUSED", raw: true },
  { request: head(`GET /${"x".repeat(9_000)} HTTP/1.1`), status: 414, reason: "TARGET_TOO_LONG", raw: true },
  { request: head("GET / HTTP/1.1", `X: ${"x".repeat(20_000)}`), status: 431, reason: "HEADERS_TOO_LARGE", raw: true },
  { request: head("GET / HTTP/1.1", "Expect: magic"), status: 417, reason: "BAD_REQUEST", raw: true },
  { request: head("POST /ok HTTP/1.1", "Content-Length: 2000"), status: 413, reason: "BODY_TOO_LARGE" },
  { request: head("POST /hang HTTP/1.1", "Content-Length: 9"), status: 408, reason: "TIMEOUT", triesUpstream: true },
  { request: head("GET /nowhere HTTP/1.1"), status: 404, reason: "NO_ROUTE" },
  { request: head("GET /ok HTTP/1.1", "Via: 1.1 router-1"), status: 508, reason: "LOOP" },
  { request: head("GET /old HTTP/1.1"), status: 302, reason: "REDIRECTED" },
  { request: head("GET /fixed HTTP/1.1"), status: 204, reason: "FIXED_ANSWER" },
  { request: head("GET /closed HTTP/1.1"), status: 503, reason: "MAINTENANCE" },
  { request: head("GET /drill HTTP/1.1"), status: 418, reason: "FAULT_INJECTED" },
  { request: head("GET /nobody HTTP/1.1"), status: 503, reason: "NO_ENDPOINT", triesUpstream: true },
  { request: head("GET /refused HTTP/1.1"), status: 502, reason: "CONNECT_FAILED", triesUpstream: true },
  { request: head("POST /reset HTTP/1.1"), status: 502, reason: "UPSTREAM_RESET", triesUpstream: true },
  { request: head("GET /noise HTTP/1.1"), status: 502, reason: "UPSTREAM_INVALID", triesUpstream: true },
  { request: head("GET /hang HTTP/1.1"), status: 504, reason: "TIMEOUT", triesUpstream: true },
];

const config = {
  serverTiming: true,
  limits: { bodyBytes: "1000B" },
  timeouts: { body: "100ms", request: "200ms" },
  routes: [
    { match: { path: "/old" }, redirect: { to: "/new" } },
    { match: { path: "/fixed" }, respond: { status: 204 } },
    { match: { path: "/closed" }, pool: "main", maintenance: {} },
    { match: { path: "/drill" }, pool: "main", fault: { abort: 418 } },
    { match: { path: "/nobody" }, pool: "empty" },
    { match: { path: "/refused" }, pool: "refusing" },
    { match: { pathRegex: "/(ok|reset|noise|hang)" }, pool: "main" },
  ],
};

/** Every reply that the router itself makes says why, and how long it took. */
export function describeOwnReplies(engine: EngineName): void {
  describe("replies of the router's own", () => {
    const start = async (more: Record<string, unknown> = {}): Promise<Rig> => {
      const rig = await Rig.start({ engine, scripts: [{ onRequest: answer }] });
      const main = { endpoints: [{ address: rig.backend.address }], retries: { attempts: 1 } };
      const pools = { main, empty: { endpoints: [] }, refusing: { endpoints: [{ address: refusing }] } };
      await rig.reload({ ...config, pools, ...more });
      return rig;
    };

    it.each(cases)("$status $reason", async ({ request, status, reason, raw, triesUpstream }) => {
      await using rig = await start();
      const client = await rig.client();
      client.send(request);
      const got = await client.answer();
      expect([got.status, got.header("x-watershed-reason")]).toEqual([status, reason]);
      if (raw) return;
      expect(got.header("x-request-id")).toMatch(/^[0-9a-f]{32}$/);
      const timing = triesUpstream ? /^router;dur=[\d.]+, upstream;dur=[\d.]+$/ : /^router;dur=[\d.]+$/;
      expect(got.header("server-timing")).toMatch(timing);
    });

    it("429 RATE_LIMITED", async () => {
      await using rig = await start({ limits: { requestsPerSecondPerClient: 1 } });
      const client = await rig.client();
      client.send(head("GET /fixed HTTP/1.1") + head("GET /fixed HTTP/1.1"));
      await client.answer();
      const { status, header } = await client.answer();
      expect([status, header("x-watershed-reason")]).toEqual([429, "RATE_LIMITED"]);
    });

    it("a head that stops coming: 408 TIMEOUT", async () => {
      await using rig = await start({ timeouts: { head: "50ms" } });
      const client = await rig.client();
      client.send("GET / HTTP/1.1\r\n");
      const { status, header } = await client.answer();
      expect([status, header("x-watershed-reason")]).toEqual([408, "TIMEOUT"]);
    });

    it("an answer of a server has no reason; both times stand beside the server's own", async () => {
      await using rig = await start();
      const client = await rig.client();
      client.send(head("GET /ok HTTP/1.1"));
      const { headers, header } = await client.answer();
      expect(header("x-watershed-reason")).toBeUndefined();
      expect(headers.filter(([name]) => name === "server-timing").map(([, value]) => value)).toEqual([
        "db;dur=5",
        expect.stringMatching(/^router;dur=[\d.]+, upstream;dur=[\d.]+$/),
      ]);
    });

    it("times are told only where the config asks for them", async () => {
      await using rig = await start({ serverTiming: false });
      const client = await rig.client();
      client.send(head("GET /fixed HTTP/1.1") + head("GET /ok HTTP/1.1"));
      expect((await client.answer()).header("server-timing")).toBeUndefined();
      expect((await client.answer()).header("server-timing")).toBe("db;dur=5");
    });
  });
}
