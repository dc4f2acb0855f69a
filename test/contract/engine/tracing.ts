import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Collector } from "#test/support/collector.ts";
import type { CollectedSpan } from "#test/support/collector.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const parentId = "b7ad6b7169203331";
const traceparent = (flags: string) => `traceparent: 00-${traceId}-${parentId}-${flags}`;

/** Spans of requests and tries, at a collector. */
export function describeTracing(engine: EngineName): void {
  const start = (otlp: string, tracing: Record<string, unknown> = {}, scripts: readonly Script[] = [{}]) =>
    Rig.start({ engine, scripts, config: { zone: "a", tracing: { otlp, ...tracing } } });

  /** The spans that are there once the router has closed: all of them. */
  async function ask(rig: Rig, collector: Collector, ...lines: string[]): Promise<CollectedSpan[]> {
    const client = await rig.client();
    client.send(head(lines[0] ?? "GET /a?b=1 HTTP/1.1", ...lines.slice(1)));
    await client.answer();
    await expect.poll(() => rig.router.status()["activeRequests"]).toBe(0);
    await rig.router.close();
    return collector.spans.toSorted((a, b) =>
      a.kind === b.kind ? a.startedAtMs - b.startedAtMs : a.kind > b.kind ? -1 : 1,
    );
  }

  describe("tracing", () => {
    it("a request in a trace: a span of the server kind, and its child for the try", async () => {
      await using collector = await Collector.start();
      await using rig = await start(collector.url);
      const beganMs = Date.now();
      const [server, attempt, ...others] = await ask(
        rig,
        collector,
        "GET /a?b=1 HTTP/1.1",
        traceparent("01"),
        "User-Agent: t/1",
      );
      expect(others).toEqual([]);
      expect(server).toMatchObject({ traceId, parentSpanId: parentId, kind: "server", name: "GET /*", isError: false });
      expect(server?.attributes).toEqual({
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/*",
        "url.scheme": "http",
        "url.path": "/a",
        "url.query": "b=1",
        "server.address": "www.stream.test",
        "server.port": 80,
        "client.address": "127.0.0.1",
        "network.peer.address": "127.0.0.1",
        "network.protocol.version": "1.1",
        "user_agent.original": "t/1",
        "watershed.route": "0",
        "watershed.pool": "main",
        "watershed.reason": "OK",
        "watershed.attempts": 1,
        "watershed.request_id": expect.stringMatching(/^[0-9a-f]{32}$/),
      });
      const [host, port] = rig.backend.address.split(":");
      expect(attempt).toMatchObject({
        traceId,
        parentSpanId: server?.spanId,
        kind: "client",
        name: "GET",
        isError: false,
      });
      expect(attempt?.attributes).toMatchObject({
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "server.address": host,
        "server.port": Number(port),
        "watershed.outcome": "OK",
      });
      expect(collector.resources[0]).toMatchObject({
        "service.name": "watershed-l7-router",
        "service.instance.id": "test",
        "cloud.availability_zone": "a",
      });
      for (const { startedAtMs, endedAtMs } of collector.spans) {
        expect(startedAtMs).toBeGreaterThanOrEqual(beganMs - 5);
        expect(endedAtMs).toBeGreaterThanOrEqual(startedAtMs);
        expect(endedAtMs).toBeLessThanOrEqual(Date.now() + 5);
      }
      expect(await rig.host.metrics.render()).toMatch(/watershed_http_spans_total\{result="sent".*\} 2/);
    });

    it("the server is told the span of the try, and gets tracestate as it came", async () => {
      await using collector = await Collector.start();
      await using rig = await start(collector.url);
      const spans = await ask(rig, collector, "GET / HTTP/1.1", traceparent("01"), "tracestate: a=1,b=2");
      const attempt = spans.find(({ kind }) => kind === "client");
      expect(rig.backend.requests[0]?.values("traceparent")).toEqual([`00-${traceId}-${attempt?.spanId}-01`]);
      expect(rig.backend.requests[0]?.values("tracestate")).toEqual(["a=1,b=2"]);
    });

    it("a request without a trace begins one", async () => {
      await using collector = await Collector.start();
      await using rig = await start(collector.url);
      const [server, attempt] = await ask(rig, collector, "GET / HTTP/1.1");
      expect(server?.parentSpanId).toBeUndefined();
      expect(attempt).toMatchObject({ traceId: server?.traceId, parentSpanId: server?.spanId });
      expect(rig.backend.requests[0]?.values("traceparent")).toEqual([`00-${server?.traceId}-${attempt?.spanId}-01`]);
    });

    it("a trace that the caller does not sample has no span, and goes on as it came", async () => {
      await using collector = await Collector.start();
      await using rig = await start(collector.url);
      expect(await ask(rig, collector, "GET / HTTP/1.1", traceparent("00"))).toEqual([]);
      expect(rig.backend.requests[0]?.values("traceparent")).toEqual([`00-${traceId}-${parentId}-00`]);
    });

    it("percent: a trace that is not drawn says so, one that the caller samples is not drawn", async () => {
      await using collector = await Collector.start();
      await using rig = await start(collector.url, { percent: 0 });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      expect(rig.backend.requests[0]?.values("traceparent")[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      expect(await ask(rig, collector, "GET / HTTP/1.1", traceparent("01"))).toHaveLength(2);
    });

    it("each try has its span, and tells its server which", async () => {
      await using collector = await Collector.start();
      let arrived = 0;
      const script: Script = {
        onRequest: ({ socket }) => {
          if (arrived++ === 0) socket.destroy();
          else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        },
      };
      await using rig = await start(collector.url, {}, [script, script]);
      const [server, failed, retry, ...others] = await ask(rig, collector, "GET / HTTP/1.1");
      expect(others).toEqual([]);
      expect(failed).toMatchObject({ isError: true, attributes: { "error.type": "UPSTREAM_RESET" } });
      expect(retry).toMatchObject({ isError: false, attributes: { "http.request.resend_count": 1 } });
      expect([failed?.parentSpanId, retry?.parentSpanId]).toEqual([server?.spanId, server?.spanId]);
      const told = rig.backends.flatMap(({ requests }) => requests.flatMap((request) => request.values("traceparent")));
      const tries = [failed, retry].map((span) => `00-${server?.traceId}-${span?.spanId}-01`);
      expect(told.toSorted()).toEqual(tries.toSorted());
    });

    it("an answer of the router's own has one span: an error if it is its fault", async () => {
      await using collector = await Collector.start();
      await using rig = await Rig.start({
        engine,
        scripts: [],
        endpoints: ["127.0.0.1:1"],
        config: { routes: [{ match: { path: "/a" }, pool: "main" }], tracing: { otlp: collector.url } },
      });
      const client = await rig.client();
      client.send(head("GET /b HTTP/1.1"));
      await client.answer();
      const spans = await ask(rig, collector, "GET /a HTTP/1.1");
      const servers = spans.filter(({ kind }) => kind === "server");
      const [refused, failed] = ["GET", "GET /a"].map((name) => servers.find((span) => span.name === name));
      expect(refused).toMatchObject({ isError: false, attributes: { "watershed.reason": "NO_ROUTE" } });
      expect(failed).toMatchObject({
        isError: true,
        attributes: { "error.type": "CONNECT_FAILED", "http.route": "/a" },
      });
    });

    it("a collector that is gone loses spans and nothing else", async () => {
      await using rig = await start("http://127.0.0.1:1");
      const client = await rig.client();
      for (let i = 0; i < 20; i++) {
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).status).toBe(200);
      }
      await rig.router.close();
      expect(await rig.host.metrics.render()).toMatch(/watershed_http_spans_total\{result="failed".*\} 40/);
    });

    it("a collector that never answers holds up nobody: what waits is bounded, the rest is dropped and counted", async () => {
      await using collector = await Collector.start({ answers: false });
      await using rig = await start(collector.url);
      const requests = 2_000; // 4,000 spans
      const client = await rig.client();
      for (let i = 0; i < requests / 20; i++) {
        client.send(head("GET / HTTP/1.1").repeat(20));
        for (let at = 0; at < 20; at++) expect((await client.answer()).status).toBe(200);
      }
      const text = await rig.host.metrics.render();
      const dropped = Number(/watershed_http_spans_total\{result="dropped".*\} (\d+)/.exec(text)?.[1]);
      expect(dropped).toBeGreaterThanOrEqual(2 * requests - 2_048 - 512);
      const beganMs = performance.now();
      await rig.router.close();
      expect(performance.now() - beganMs).toBeLessThan(4_000);
    });

    it("a reload turns it on and off, and a key goes with every post", async () => {
      await using collector = await Collector.start();
      await using rig = await Rig.start({ engine });
      const config = {
        routes: [{ match: { path: "/*" }, pool: "main" }],
        pools: { main: { endpoints: [{ address: rig.backend.address }] } },
      };
      const client = await rig.client();
      const get = async () => {
        client.send(head("GET / HTTP/1.1"));
        await client.answer();
      };
      await get();
      await rig.reload({ ...config, tracing: { otlp: `${collector.url}/`, headers: { "x-key": "secret" } } });
      await get();
      await expect.poll(() => rig.router.status()["activeRequests"]).toBe(0);
      await rig.reload(config);
      await get();
      await expect.poll(() => collector.spans.length).toBe(2);
      await rig.router.close();
      expect(collector.spans).toHaveLength(2);
      expect(collector.heads[0]).toMatchObject({ "x-key": "secret" });
    });
  });
}
