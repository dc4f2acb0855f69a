import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script, SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const silent: Script = { onRequest: () => {} };

/** Clients that leave, are slow, or do not read. */
export function describeClients(engine: EngineName): void {
  describe("clients", () => {
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

    it("a body that stops coming is not the server's fault, however little time a request has", async () => {
      await using rig = await Rig.start({
        engine,
        config: { timeouts: { body: "80ms", request: "20ms" } },
        pool: { outlier: { consecutiveFailures: 1 } },
      });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 10")}half`);
      expect((await client.answer()).status).toBe(408);
      const [pool] = rig.router.pools();
      expect(pool?.status().endpoints.map(({ state }) => state)).toEqual(["up"]);
    });

    it("a server that takes no more of a body: 504, though the client is not through", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onConnection: (socket) => void socket.pause() }],
        config: { timeouts: { request: "100ms" } },
      });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 10000000")}${"x".repeat(9_999_999)}`);
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([504, "TIMEOUT"]);
    });

    it("a server that never asks for a body that is held back for its word: 504", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [silent],
        config: { timeouts: { body: "20ms", request: "100ms" } },
      });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"));
      expect((await client.answer()).status).toBe(504);
    });

    it("a body that does not come although the server asked for it: 408", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onHead: ({ socket }) => void socket.write("HTTP/1.1 100 Continue\r\n\r\n") }],
        config: { timeouts: { body: "600ms", request: "500ms" } },
      });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"));
      expect((await client.answer()).status).toBe(100);
      expect((await client.answer()).status).toBe(408);
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

    it("a client that does not take its answer is reset at the idle limit, and the server's connection ends", async () => {
      const huge = `HTTP/1.1 200 OK\r\nContent-Length: 20000000\r\n\r\n${"x".repeat(20_000_000)}`;
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.write(huge) }],
        config: { timeouts: { idle: "50ms" } },
      });
      const client = await rig.client();
      client.socket.pause();
      client.send(head("GET / HTTP/1.1"));
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
      client.socket.resume();
      expect(await client.ended).toBe("reset");
      expect(rig.router.status()["activeRequests"]).toBe(0);
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
        scripts: [
          {
            onConnection: (socket) => void socket.pause(),
            onRequest: ({ socket, body }) =>
              void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n${body.length}`),
          },
        ],
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
  });
}
