import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Rig, head } from "./rig.ts";

/** What RFC 9110 and 9112 ask of an intermediary beyond framing. */
export function describeIntermediary(engine: EngineName, skips: ReadonlyMap<string, string>): void {
  describe("an intermediary", () => {
    for (const { name, lines, status, forwarded } of [
      { name: "0 is answered here", lines: ["Max-Forwards: 0"], status: 200, forwarded: undefined },
      { name: "of 00 is 0", lines: ["Max-Forwards: 00"], status: 200, forwarded: undefined },
      { name: "is one less for the next hop", lines: ["Max-Forwards: 10"], status: 200, forwarded: ["9"] },
      { name: "that is no number goes on as it is", lines: ["Max-Forwards: x"], status: 200, forwarded: ["x"] },
      { name: "that is not there is not added", lines: [], status: 200, forwarded: [] },
    ])
      it(`Max-Forwards of OPTIONS ${name}`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        client.send(head("OPTIONS /a HTTP/1.1", ...lines));
        const answer = await client.answer();
        expect(answer.status).toBe(status);
        expect(rig.backend.requests.map((request) => request.values("max-forwards"))).toEqual(
          forwarded ? [forwarded] : [],
        );
        expect(answer.header("allow") === undefined).toBe(forwarded !== undefined);
      });

    it("Max-Forwards means nothing to a GET", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "Max-Forwards: 0"));
      expect((await client.answer()).body).toBe("ok");
      expect(rig.backend.requests[0]?.values("max-forwards")).toEqual(["0"]);
    });

    it("OPTIONS of a URL without a path is OPTIONS *", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("OPTIONS http://www.stream.test HTTP/1.1"));
      expect((await client.answer()).header("allow")).toContain("OPTIONS");
      expect(rig.backend.requests).toEqual([]);
    });

    it("a URL without a path is the root", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET http://other.test?a=1 HTTP/1.1"));
      await client.answer();
      expect(rig.backend.requests[0]?.line).toBe("GET /?a=1 HTTP/1.1");
      expect(rig.backend.requests[0]?.values("host")).toEqual(["other.test"]);
    });

    it("an upgrade in HTTP/1.0 is a request like any", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      expect((await client.answer()).body).toBe("ok");
      expect(rig.backend.requests[0]?.values("upgrade")).toEqual([]);
    });

    it("a server that ends its connection does not end the client's", async () => {
      const bytes = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.end(bytes, "latin1") }],
      });
      const client = await rig.client();
      for (let i = 0; i < 3; i++) {
        client.send(head("GET / HTTP/1.1"));
        const answer = await client.answer();
        expect([answer.body, answer.header("connection")]).toEqual(["ok", "keep-alive"]);
      }
      expect(rig.backend.sockets).toHaveLength(3);
    });

    for (const { name, lines, connections } of [
      { name: "that does not say so is not kept", lines: "", connections: 2 },
      { name: "that says keep-alive is kept", lines: "Connection: keep-alive\r\n", connections: 1 },
    ])
      it(`the connection of an HTTP/1.0 server ${name}`, async () => {
        await using rig = await Rig.start({
          engine,
          scripts: [
            { onRequest: ({ socket }) => void socket.write(`HTTP/1.0 200 OK\r\n${lines}Content-Length: 2\r\n\r\nok`) },
          ],
        });
        const client = await rig.client();
        for (let i = 0; i < 2; i++) {
          client.send(head("GET / HTTP/1.1"));
          expect((await client.answer()).body).toBe("ok");
        }
        expect(rig.backend.sockets).toHaveLength(connections);
      });

    it("an answer that comes while the body still flows reaches the client whole, and ends both connections", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [
          {
            onHead: ({ socket }) => {
              socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nnot you");
              return true;
            },
          },
        ],
      });
      const client = await rig.client();
      client.send(`${head("PUT / HTTP/1.1", "Content-Length: 1000000")}${"x".repeat(100_000)}`);
      const answer = await client.answer();
      expect([answer.status, answer.body, answer.header("connection")]).toEqual([403, "not you", "close"]);
      client.send("x".repeat(100_000)); // It has not heard yet.
      expect(await client.ended).toBe("end");
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.closed));
    });

    it("a refusal reaches a client that goes on sending", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("PUT / HTTP/1.1", "Content-Length: 100000000"));
      for (let i = 0; i < 64; i++) client.send("x".repeat(65_536));
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([413, "BODY_TOO_LARGE"]);
      expect(await client.ended).toBe("end");
      expect(rig.backend.requests).toEqual([]);
    });

    for (const { name, send } of [
      { name: "extensions of a chunk without end", send: `1;${"a".repeat(40_000)}` },
      { name: "trailers without end", send: `1\r\nx\r\n0\r\n${"X-A: 1\r\n".repeat(5_000)}` },
      { name: "a chunk size of very many zeros", send: "0".repeat(40_000) },
    ])
      it.skipIf(skips.has(name))(`${name} are refused, and the server's connection ends`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        client.send(head("POST / HTTP/1.1", "Transfer-Encoding: chunked"));
        client.send(send);
        const answer = await client.answer();
        expect([400, 413, 431]).toContain(answer.status);
        expect(answer.header("connection")).toBe("close");
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.closed));
        expect(rig.backend.requests).toEqual([]);
      });

    it("Connection may list what is not there, and itself", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "Connection: keep-alive, connection, x-none, , ", "X-Some: 1"));
      expect((await client.answer()).header("connection")).toBe("keep-alive");
      expect(rig.backend.requests[0]?.values("x-some")).toEqual(["1"]);
      expect(rig.backend.requests[0]?.values("connection")).toEqual([]);
    });
  });
}
