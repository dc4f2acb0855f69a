import { describe, expect, it } from "vitest";
import { Rig, head } from "#test/contract/engine/rig.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { UsageError } from "#shared/core/error.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";

const checked = { health: { type: "http", interval: "20ms", timeout: "1s", fall: 1, rise: 1 }, essential: true };

async function health(rig: Rig): Promise<[number, string | undefined]> {
  const client = await rig.client();
  client.send(head("GET /health HTTP/1.1"));
  const answer = await client.answer();
  return [answer.status, answer.header("x-watershed-reason")];
}

describe.each(["wire", "http-proxy"] as const)("a router with the engine %s", (engine) => {
  describe("GET /health", () => {
    it("is 200 and not routed; the connection goes on", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET /health HTTP/1.1") + head("HEAD /health HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.status, answer.body]).toEqual([200, '{"status":"ok"}\n']);
      expect((await client.answer("HEAD")).status).toBe(200);
      expect(rig.backend.requests).toEqual([]);
    });

    it("is 503 STARTING before the first round, then what essential pools are", async () => {
      let sick = false;
      const held: SeenRequest[] = [];
      const answer = ({ socket }: SeenRequest) =>
        socket.end(`HTTP/1.1 ${sick ? 500 : 200} X\r\nContent-Length: 0\r\n\r\n`);
      let opened = false;
      await using rig = await Rig.start({
        engine,
        pool: checked,
        scripts: [{ onRequest: (request) => void (opened ? answer(request) : held.push(request)) }],
      });
      expect(await health(rig)).toEqual([503, "STARTING"]);
      expect(rig.router.notReady()).toBe("STARTING");
      await rig.backend.until(() => held.length > 0);
      opened = true;
      for (const request of held) answer(request);
      const [pool] = rig.router.pools();
      await rig.backend.until(() => pool?.status().eligible === 1);
      expect(await health(rig)).toEqual([200, "OK"]);
      sick = true;
      await rig.backend.until(() => pool?.status().eligible === 0);
      expect(await health(rig)).toEqual([503, "UNHEALTHY"]);
      expect(rig.router.notReady()).toBeUndefined(); // /health is about its pools, /readyz about itself
    });

    it("is 503 DRAINING at once, while other requests still work and end their connections", async () => {
      await using rig = await Rig.start({ engine });
      rig.router.drain();
      expect(await health(rig)).toEqual([503, "DRAINING"]);
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.status, answer.header("connection")]).toEqual([200, "close"]);
    });
  });

  describe("finish", () => {
    it("closes idle connections and waits for requests under way", async () => {
      const held: SeenRequest[] = [];
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: (request) => void held.push(request) }] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await rig.backend.until(() => held.length === 1);
      let finished = false;
      const finish = rig.router.finish().then(() => (finished = true));
      await expect(rig.client()).rejects.toThrow("ECONNREFUSED");
      expect(finished).toBe(false);
      held[0]?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      const answer = await client.answer();
      expect([answer.body, answer.header("connection")]).toEqual(["ok", "close"]);
      await finish;
    });
  });

  describe("reload", () => {
    const config = (rig: Rig, more: Record<string, unknown>) =>
      l7RouterSchema.parse({
        listeners: [{ address: "127.0.0.1:0" }],
        engine: rig.router.status()["engine"],
        node: "router-1",
        routes: [{ match: { path: "/new/*" }, pool: "main" }],
        pools: { main: { endpoints: [{ address: rig.backend.address }] } },
        ...more,
      });

    it("swaps routes at once; connections of clients and to servers live on", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET /old HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      await rig.router.reload(config(rig, {}));
      client.send(head("GET /old HTTP/1.1") + head("GET /new/x HTTP/1.1"));
      expect((await client.answer()).status).toBe(404);
      expect((await client.answer()).status).toBe(200);
      expect(rig.backend.sockets).toHaveLength(1);
    });

    it("lets a request of a removed pool finish", async () => {
      const held: SeenRequest[] = [];
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: (request) => void held.push(request) }] });
      const client = await rig.client();
      client.send(head("GET /old HTTP/1.1"));
      await rig.backend.until(() => held.length === 1);
      await rig.router.reload(config(rig, { routes: [], pools: {} }));
      held[0]?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      expect((await client.answer()).body).toBe("ok");
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
    });

    it("under load loses nothing: a new pool is checked before it gets requests", async () => {
      const held: SeenRequest[] = [];
      await using fresh = await ScriptedBackend.start({ onRequest: (request) => void held.push(request) });
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      const ask = async () => {
        client.send(head("GET / HTTP/1.1"));
        return (await client.answer()).status;
      };
      const pools = {
        fresh: { endpoints: [{ address: fresh.address }], health: { ...checked.health, interval: "1h" } },
      };
      const reload = rig.router.reload(config(rig, { routes: [{ match: { path: "/*" }, pool: "fresh" }], pools }));
      await fresh.until(() => held.length === 1);
      for (let i = 0; i < 10; i++) expect(await ask()).toBe(200);
      expect([rig.backend.requests.length, held.length]).toEqual([10, 1]);
      held[0]?.socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      await reload;
      const asked = ask();
      await fresh.until(() => held.length === 2);
      held[1]?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      expect(await asked).toBe(200);
    });

    it("that is overtaken by the end of the router leaves nothing behind", async () => {
      await using rig = await Rig.start({ engine });
      const unanswered = await ScriptedBackend.start({ onRequest: () => {} });
      const fresh = { endpoints: [{ address: unanswered.address }], health: checked.health };
      const refused = rig.router.reload(config(rig, { routes: [], pools: { fresh } })).catch((error: unknown) => error);
      await unanswered.until(() => unanswered.requests.length === 1);
      await rig.router.close();
      await unanswered[Symbol.asyncDispose]();
      expect(await refused).toBeInstanceOf(UsageError);
    });

    it("refuses a listener that is taken and changes nothing", async () => {
      await using rig = await Rig.start({ engine });
      const taken = { listeners: [{ address: rig.backend.address }], routes: [] };
      await expect(rig.router.reload(config(rig, taken))).rejects.toThrow(UsageError);
      const client = await rig.client();
      client.send(head("GET /old HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
    });
  });

  describe("what can be asked afterwards", () => {
    it("a traced request is recorded with its attempts", async () => {
      await using rig = await Rig.start({ engine, endpoints: ["127.0.0.1:1"] });
      const client = await rig.client();
      for (const id of ["trace-0001", "trace-0002"]) {
        client.send(head("GET /a?b HTTP/1.1", `X-Watershed-Trace: ${id}`));
        await client.answer();
      }
      const records = ["trace-0001", "trace-0002"].map((id) => rig.host.decisions.find(id));
      const attempts = records.flatMap(
        (record) => record?.["attempts"] as { outcome: string; connection: string | null }[],
      );
      expect(attempts.map(({ outcome }) => outcome).sort()).toEqual(["CONNECT_FAILED", "OK", "OK"]);
      expect(attempts.find(({ outcome }) => outcome === "OK")?.connection).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(records[0]).toMatchObject({
        client: "127.0.0.1",
        path: "/a",
        pool: "main",
        status: 200,
        route: { index: 0 },
      });
    });

    it("explain says which route, why not the others, and who would be picked", async () => {
      await using rig = await Rig.start({
        engine,
        config: {
          routes: [
            { match: { methods: ["POST"] }, pool: "main" },
            { match: { headers: { x: "1" } }, pool: "main" },
          ],
        },
      });
      const query = new URLSearchParams([
        ["url", "/a/../b"],
        ["client", "127.49.0.7"],
        ["header.x", "1"],
      ]);
      expect(rig.router.explain(query)).toMatchObject({
        path: "/b",
        pool: "main",
        reason: "OK",
        routes: [{ why: "method is GET, wanted POST" }, { matched: true }],
        choice: { address: rig.backend.address, candidates: [{ picked: true }] },
      });
      expect(rig.router.explain(new URLSearchParams({ url: "/%2f" }))).toMatchObject({ status: 400 });
      expect(rig.router.explain(new URLSearchParams({ url: "/" }))).toMatchObject({ reason: "NO_ROUTE" });
      expect(() => rig.router.explain(new URLSearchParams())).toThrow(UsageError);
      expect(() => rig.router.explain(new URLSearchParams({ url: "/", client: "x" }))).toThrow(UsageError);
    });

    it("metrics count requests, retries and replies of the router's own", async () => {
      await using rig = await Rig.start({ engine, config: { routes: [{ match: { path: "/a" }, pool: "main" }] } });
      const client = await rig.client();
      client.send(head("GET /a HTTP/1.1") + head("GET /b HTTP/1.1"));
      await client.answer();
      await client.answer();
      const text = await rig.host.metrics.render();
      expect(text).toMatch(/watershed_http_requests_total\{route="0",pool="main",status="200".*\} 1/);
      expect(text).toMatch(/watershed_http_replies_total\{reason="NO_ROUTE".*\} 1/);
    });
  });
});
