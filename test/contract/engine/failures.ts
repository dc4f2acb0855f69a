import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script, SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const silent: Script = { onRequest: () => {} };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const nobody = "127.0.0.1:1"; // tcpmux: nothing listens there

/** Answers the first `count` requests of a connection and then closes it while the next one is on its way. */
function closingAfter(count: number): Script {
  const answered = new Map<number, number>();
  return {
    onRequest: ({ socket, connection }: SeenRequest) => {
      const before = answered.get(connection) ?? 0;
      answered.set(connection, before + 1);
      if (before < count) socket.write(ok);
      else socket.destroy();
    },
  };
}

/** Retries, silent servers, cut answers. */
export function describeFailures(engine: EngineName): void {
  describe("failures", () => {
    for (const method of ["GET", "POST"]) {
      it(`a refused connect: the next endpoint answers, a ${method} too`, async () => {
        await using rig = await Rig.start({ engine, endpoints: [nobody] });
        for (let i = 0; i < 2; i++) {
          const client = await rig.client();
          client.send(`${head(`${method} / HTTP/1.1`, "Content-Length: 2")}hi`);
          expect((await client.answer()).status).toBe(200);
        }
        expect(rig.backend.requests.map(({ body }) => body)).toEqual(["hi", "hi"]);
      });
    }

    it("every connect refused: 502 CONNECT_FAILED", async () => {
      await using rig = await Rig.start({ engine, scripts: [], endpoints: [nobody] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "Accept: application/json"));
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([502, "CONNECT_FAILED"]);
      expect(JSON.parse(answer.body)).toMatchObject({ status: 502, reason: "CONNECT_FAILED" });
    });

    it("nobody eligible: 503 with Retry-After", async () => {
      await using rig = await Rig.start({ engine });
      for (const pool of rig.router.pools()) pool.setEndpointState(rig.backend.address, "disabled");
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([503, "NO_HEALTHY"]);
      expect(answer.header("retry-after")).toBe("1");
    });

    it("a pool without endpoints: 503 NO_ENDPOINT", async () => {
      await using rig = await Rig.start({ engine, scripts: [] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).header("x-watershed-reason")).toBe("NO_ENDPOINT");
    });

    it("no route: 404 NO_ROUTE, and the connection goes on", async () => {
      await using rig = await Rig.start({ engine, config: { routes: [{ match: { path: "/a" }, pool: "main" }] } });
      const client = await rig.client();
      client.send(head("GET /b HTTP/1.1") + head("GET /a HTTP/1.1"));
      expect((await client.answer()).header("x-watershed-reason")).toBe("NO_ROUTE");
      expect((await client.answer()).status).toBe(200);
    });

    it("a server that closes without an answer: the next endpoint gets a GET", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.destroy() }, {}],
      });
      for (let i = 0; i < 2; i++) {
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).status).toBe(200);
      }
    });

    for (const [method, body] of [
      ["POST", "hi"],
      ["POST", ""],
      ["PATCH", "hi"],
      ["PUT", "hi"],
    ] as const) {
      it(`a server that closes without an answer: a ${method} ${body ? "with" : "without"} body is never sent twice`, async () => {
        const dying: Script = { onRequest: ({ socket }) => void socket.destroy() };
        await using rig = await Rig.start({ engine, scripts: [dying, dying] });
        const client = await rig.client();
        client.send(`${head(`${method} / HTTP/1.1`, `Content-Length: ${body.length}`)}${body}`);
        const answer = await client.answer();
        expect([answer.status, answer.header("x-watershed-reason")]).toEqual([502, "UPSTREAM_RESET"]);
        expect(rig.backends.flatMap(({ requests }) => requests)).toHaveLength(1);
      });
    }

    it("a stale kept connection: a GET is sent once more on a new one", async () => {
      await using rig = await Rig.start({ engine, scripts: [closingAfter(1)], pool: { retries: { attempts: 1 } } });
      const client = await rig.client();
      for (let i = 0; i < 3; i++) {
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).status).toBe(200);
      }
      expect(rig.backend.sockets).toHaveLength(3);
    });

    it("a stale kept connection: a POST is not sent again", async () => {
      await using rig = await Rig.start({ engine, scripts: [closingAfter(1)] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 2")}hi`);
      expect((await client.answer()).status).toBe(502);
      expect(rig.backend.requests).toHaveLength(2);
    });

    it("an answer that began is not tried again", async () => {
      const stuttering: Script = { onRequest: ({ socket }) => void socket.end("HTTP/1.1 200 O") };
      await using rig = await Rig.start({ engine, scripts: [stuttering, stuttering] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).header("x-watershed-reason")).toBe("UPSTREAM_RESET");
      expect(rig.backends.flatMap(({ requests }) => requests)).toHaveLength(1);
    });

    it("a server that is silent longer than one try may take: the next endpoint answers", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [silent, {}],
        pool: { retries: { attempts: 2, perTryTimeout: "60ms" } },
      });
      for (let i = 0; i < 2; i++) {
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        expect((await client.answer()).status).toBe(200);
      }
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
    });

    it("a server that is silent: a POST waits the whole time of a request, then 504 TIMEOUT", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [silent, silent],
        config: { timeouts: { request: "150ms" } },
        pool: { retries: { attempts: 2, perTryTimeout: "20ms" } },
      });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 2")}hi`);
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([504, "TIMEOUT"]);
      expect(rig.backends.flatMap(({ requests }) => requests)).toHaveLength(1);
    });

    it("all tries together take no longer than a request may", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [silent, silent, silent],
        config: { timeouts: { request: "200ms" } },
        pool: { retries: { attempts: 3, perTryTimeout: "80ms" } },
      });
      const client = await rig.client();
      const startedMs = performance.now();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(504);
      expect(performance.now() - startedMs).toBeLessThan(1_000);
      expect(rig.backends.flatMap(({ requests }) => requests)).toHaveLength(3);
    });

    for (const [name, start] of [
      ["a Content-Length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"],
      ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
    ] as const) {
      for (const [how, cut] of [
        ["ends", (socket: SeenRequest["socket"]) => void socket.end()],
        ["is reset", (socket: SeenRequest["socket"]) => void socket.resetAndDestroy()],
      ] as const) {
        it(`a server that ${how} within a body of ${name}: the client's connection is reset`, async () => {
          await using rig = await Rig.start({
            engine,
            scripts: [{ onRequest: ({ socket }) => void socket.write(start) }],
          });
          const client = await rig.client();
          client.send(head("GET / HTTP/1.1"));
          await client.through("half");
          const [socket] = rig.backend.sockets;
          if (socket) cut(socket);
          expect(await client.ended).toBe("reset");
        });
      }
    }

    it("a bad chunk within a body that has begun: the client's connection is reset", async () => {
      const start = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n";
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: ({ socket }) => void socket.write(start) }] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.through("half");
      rig.backend.sockets[0]?.write("zz\r\n");
      expect(await client.ended).toBe("reset");
    });

    it("an endpoint that counts requests under way forgets none and keeps none", async () => {
      await using rig = await Rig.start({ engine, scripts: [closingAfter(2)], endpoints: [nobody] });
      for (const request of ["GET / HTTP/1.1", "POST / HTTP/1.1", "GET / HTTP/1.1", "POST / HTTP/1.1"]) {
        const client = await rig.client();
        client.send(head(request, "Content-Length: 0"));
        await client.answer();
        client.socket.end();
      }
      const [pool] = rig.router.pools();
      expect(pool?.status().endpoints.map(({ active }) => active)).toEqual([0, 0]);
      expect(rig.router.status()["activeRequests"]).toBe(0);
    });

    it("random bytes neither crash it nor keep it from serving", async () => {
      await using rig = await Rig.start({ engine });
      for (let i = 0; i < 50; i++) {
        const client = await rig.client();
        client.send(Buffer.from(Array.from({ length: 200 }, (_, at) => (rig.host.random() * 256 + at * i) & 0xff)));
        client.socket.end();
        await client.ended;
      }
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
    });
  });
}
