import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
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

/** Retries, time limits, cut answers and clients that leave. */
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
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: ({ socket }) => void socket.destroy() }, {}] });
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
          await using rig = await Rig.start({ engine, scripts: [{ onRequest: ({ socket }) => void socket.write(start) }] });
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

    for (const how of ["ends", "is reset"]) {
      it(`a client that ${how} before the answer: the server's connection ends within 100 ms`, async () => {
        await using rig = await Rig.start({ engine, scripts: [silent] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        await rig.backend.until(() => rig.backend.requests.length === 1);
        const goneMs = performance.now();
        if (how === "ends") client.socket.destroy();
        else client.socket.resetAndDestroy();
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
        expect(performance.now() - goneMs).toBeLessThan(100);
      });
    }

    it("a client that leaves within its own body: the server's connection ends", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 10")}half`);
      await rig.backend.until(() => rig.backend.sockets.length === 1);
      client.socket.resetAndDestroy();
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect(rig.backend.requests).toEqual([]);
    });

    it("a bad chunk within a request's body that is on its way: 400, and the server's connection ends", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Transfer-Encoding: chunked")}2\r\nab\r\n`);
      await rig.backend.until(() => rig.backend.sockets.length === 1);
      client.send("zz\r\n");
      expect((await client.answer()).status).toBe(400);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect(rig.backend.requests).toEqual([]);
    });

    it("a body that stops coming: 408", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { body: "50ms" } } });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 10")}half`);
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([408, "TIMEOUT"]);
    });

    it("a head that stops coming: 408", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { head: "100ms" } } });
      const client = await rig.client();
      client.send("GET / HTTP/1.1\r\nHost: a\r\n");
      expect((await client.answer()).status).toBe(408);
    });

    it("an idle connection is closed", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { idle: "50ms" } } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      expect(await client.ended).toBe("end");
    });

    it("an answer that stands still is cut at the limit", async () => {
      const start = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.write(start) }],
        config: { timeouts: { body: "50ms" } },
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.through("half");
      expect(await client.ended).toBe("reset");
    });

    it("a client that does not read pauses the server: little is held for it, and nothing is lost", async () => {
      const bytes = 32 * 1_024 * 1_024;
      const chunk = Buffer.alloc(65_536, "x");
      let taken = 0;
      let stalled: () => void = () => {};
      const isStalled = new Promise<void>((resolve) => (stalled = resolve));
      const flood = ({ socket }: SeenRequest) => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n`);
        const more = () => {
          while (taken < bytes) {
            taken += chunk.length;
            if (!socket.write(chunk)) return void setImmediate(() => socket.writableLength > 0 && stalled());
          }
        };
        socket.on("drain", more);
        more();
      };
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: flood }] });
      const client = await rig.client();
      client.socket.pause();
      client.send(head("GET / HTTP/1.1"));
      await isStalled;
      expect(taken).toBeLessThan(bytes);
      client.socket.resume();
      expect((await client.answer()).body).toHaveLength(bytes);
    });

    it("a server that does not read pauses the client, and nothing is lost", async () => {
      const bytes = 9 * 1_024 * 1_024;
      await using rig = await Rig.start({
        engine,
        scripts: [{ onConnection: (socket) => void socket.pause(), onRequest: ({ socket, body }) => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n${body.length}`) }],
      });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", `Content-Length: ${bytes}`));
      let sent = 0;
      const chunk = Buffer.alloc(65_536, "x");
      while (sent < bytes && client.socket.write(chunk)) sent += chunk.length;
      await rig.backend.until(() => rig.backend.sockets.length === 1);
      expect(client.socket.writableNeedDrain).toBe(true);
      rig.backend.sockets[0]?.resume();
      for (sent += chunk.length; sent < bytes; sent += chunk.length) client.socket.write(chunk);
      expect((await client.answer()).body).toBe(String(bytes));
    });

    it("connections to an endpoint that is taken out are closed, and none is used again", async () => {
      await using rig = await Rig.start({ engine, scripts: [{}, {}] });
      const client = await rig.client();
      for (let i = 0; i < 2; i++) {
        client.send(head("GET / HTTP/1.1"));
        await client.answer();
      }
      const [first, second] = rig.backends;
      for (const pool of rig.router.pools()) pool.setEndpointState(first?.address ?? "", "draining");
      await first?.until(() => first.sockets.every((socket) => socket.destroyed));
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      expect([first?.requests.length, second?.requests.length]).toEqual([1, 2]);
    });

    it("a kept connection ends at its age", async () => {
      await using rig = await Rig.start({ engine, pool: { connectionMaxAge: "50ms" } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
    });

    it("an endpoint that counts requests under way forgets none and keeps none", async () => {
      await using rig = await Rig.start({ engine, scripts: [closingAfter(2)], endpoints: [nobody] });
      for (const request of ["GET / HTTP/1.1", "POST / HTTP/1.1", "GET / HTTP/1.1", "POST / HTTP/1.1"]) {
        const client = await rig.client();
        client.send(head(request, "Content-Length: 0"));
        await client.answer();
        await client.socket.end();
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

  describe("PROXY protocol", () => {
    it("each connection begins with a v2 header of the router's address and the connection's id", async () => {
      let begin = "";
      const backend = await ScriptedBackend.start({
        onConnection: (socket) => socket.once("data", (chunk) => (begin = chunk.toString("latin1"))),
        onHead: ({ socket }) => {
          socket.write(ok);
          return true;
        },
      });
      await using rig = await Rig.start({
        engine,
        scripts: [],
        endpoints: [backend.address],
        pool: { proxyProtocol: { send: "v2" } },
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      expect(begin.slice(0, 12)).toBe("\r\n\r\n\0\r\nQUIT\n");
      expect(begin.slice(12, 14)).toBe("\x21\x11");
      expect(begin).toMatch(/\x05\0\x24[0-9a-f]{8}-[0-9a-f-]{27}/);
      await backend[Symbol.asyncDispose]();
    });
  });
}
