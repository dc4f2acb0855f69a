import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const answering = (bytes: string) => ({ onRequest: ({ socket }: SeenRequest) => void socket.write(bytes, "latin1") });
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Framing and headers of what goes back to clients. */
export function describeAnswers(engine: EngineName): void {
  describe("answers", () => {
    it("HEAD has no body and keeps its Content-Length", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [answering("HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")],
      });
      const client = await rig.client();
      client.send(head("HEAD / HTTP/1.1") + head("HEAD / HTTP/1.1"));
      for (let i = 0; i < 2; i++) {
        const answer = await client.answer("HEAD");
        expect([answer.header("content-length"), answer.header("transfer-encoding")]).toEqual(["42", undefined]);
      }
      expect(client.unread).toBe("");
      expect(rig.backend.sockets).toHaveLength(1);
    });

    for (const { status, lines, kept } of [
      { status: 204, lines: "", kept: undefined },
      { status: 204, lines: "Content-Length: 0\r\n", kept: undefined },
      { status: 304, lines: "Content-Length: 42\r\n", kept: "42" },
      { status: 304, lines: "", kept: undefined },
    ]) {
      it(`${status} has neither body nor Transfer-Encoding (${lines.trim() || "no length"})`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 ${status} X\r\n${lines}\r\n`)] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1") + head("GET / HTTP/1.1"));
        for (let i = 0; i < 2; i++) {
          const answer = await client.answer();
          expect(answer.status).toBe(status);
          expect([answer.header("content-length"), answer.header("transfer-encoding")]).toEqual([kept, undefined]);
        }
        expect(client.unread).toBe("");
      });
    }

    it("a stray 100 is dropped, a 103 is passed on", async () => {
      const early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 100 Continue\r\n\r\n${early}${ok}`)] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const hints = await client.answer();
      expect([hints.status, hints.header("link"), hints.header("connection")]).toEqual([
        103,
        "</a.css>; rel=preload",
        undefined,
      ]);
      expect((await client.answer()).body).toBe("ok");
    });

    it("a 1xx has no Content-Length", async () => {
      const processing = "HTTP/1.1 102 Processing\r\nContent-Length: 5\r\nX-A: 1\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(processing + ok)] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).headers).toEqual([["x-a", "1"]]);
      expect((await client.answer()).body).toBe("ok");
    });

    for (const { name, hint, most } of [
      { name: "number", hint: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", most: 16 },
      { name: "size", hint: `HTTP/1.1 103 Early Hints\r\nLink: </${"a".repeat(9_990)}>\r\n\r\n`, most: 6 },
    ]) {
      it(`1xx answers without end are passed on up to a ${name}, then dropped`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(hint.repeat(100) + ok)] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        let hints = 0;
        for (let { status } = await client.answer(); status === 103; { status } = await client.answer()) hints++;
        expect(hints).toBeGreaterThan(0);
        expect(hints).toBeLessThanOrEqual(most);
      });
    }

    it("HTTP/1.0 gets neither a 1xx nor chunks", async () => {
      const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 103 Early Hints\r\n\r\n${chunks}`)] });
      const client = await rig.client();
      client.send("GET / HTTP/1.0\r\nTE: chunked\r\n\r\n");
      const answer = await client.answer();
      expect([answer.status, answer.header("transfer-encoding"), answer.body]).toEqual([200, undefined, "abc"]);
      expect(rig.backend.requests[0]?.values("host")).toEqual([rig.address]);
    });

    it("HTTP/1.0 that asks for it keeps its connection", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      for (let i = 0; i < 2; i++) {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        expect((await client.answer()).header("connection")).toBe("keep-alive");
      }
    });

    it("chunks and trailers pass, forbidden trailers do not", async () => {
      const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\n";
      await using rig = await Rig.start({
        engine,
        scripts: [answering(`${chunks}X-Sum: 7\r\nSet-Cookie: a=1\r\n\r\n`)],
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.body, answer.trailers]).toEqual(["ab", [["x-sum", "7"]]]);
    });

    it("a body that ends with its connection reaches an HTTP/1.1 client in chunks", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end") }],
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.header("transfer-encoding"), answer.body]).toEqual(["chunked", "until the end"]);
    });

    it("Set-Cookie lines stay apart, header bytes are unchanged, hop-by-hop ones are stripped", async () => {
      const lines =
        "Set-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nX-Latin: \xe9\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\n";
      await using rig = await Rig.start({
        engine,
        scripts: [answering(`HTTP/1.1 200 Fine\r\n${lines}Content-Length: 0\r\n\r\n`)],
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const answer = await client.answer();
      expect(answer.headers.slice(0, 3)).toEqual([
        ["set-cookie", "a=1; Path=/"],
        ["set-cookie", "b=2"],
        ["x-latin", "\xe9"],
      ]);
      expect([answer.header("x-hop"), answer.header("via")]).toEqual([undefined, "1.1 router-1"]);
      expect(answer.header("keep-alive")).not.toBe("timeout=1");
      expect(answer.header("date")).toBeDefined();
    });

    it("one connection to the server carries the requests of many clients", async () => {
      await using rig = await Rig.start({ engine });
      for (let i = 0; i < 5; i++) {
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        await client.answer();
      }
      expect(rig.backend.sockets).toHaveLength(1);
    });

    for (const { name, answer } of [
      {
        name: "Content-Length with Transfer-Encoding",
        answer: "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
      },
      { name: "two Content-Lengths", answer: "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok" },
      { name: "a transfer coding that is not chunked", answer: "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" },
      { name: "obs-fold", answer: "X-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok" },
      { name: "a bare LF", answer: "X-A: 1\nContent-Length: 2\r\n\r\nok" },
      { name: "a bad chunk size", answer: "Transfer-Encoding: chunked\r\n\r\nzz\r\n" },
      { name: "a head that is too large", answer: `X: ${"a".repeat(80_000)}\r\n\r\n` },
    ]) {
      it(`${name}: 502, and the connection is destroyed`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 200 OK\r\n${answer}`)] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        const reply = await client.answer();
        expect([reply.status, reply.header("x-watershed-reason")]).toEqual([502, "UPSTREAM_INVALID"]);
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
        client.send(head("GET / HTTP/1.1"));
        await client.answer();
        expect(rig.backend.sockets).toHaveLength(2);
      });
    }

    for (const line of ["HTTP/2.0 200 OK", "HTTP/1.1 999 OK", "HTTP/1.1 600 OK"])
      it(`${line} for a status line: 502`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(`${line}\r\nContent-Length: 2\r\n\r\nok`)] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1"));
        const reply = await client.answer();
        expect([reply.status, reply.header("x-watershed-reason")]).toEqual([502, "UPSTREAM_INVALID"]);
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      });

    it("an answer that is not HTTP: 502", async () => {
      await using rig = await Rig.start({ engine, scripts: [answering("SSH-2.0-OpenSSH\r\n\r\n")] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(502);
    });

    it("a 101 that nobody asked for: 502", async () => {
      const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(switching)] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      const reply = await client.answer();
      expect([reply.status, reply.header("x-watershed-reason")]).toEqual([502, "UPSTREAM_INVALID"]);
    });

    for (const { name, rest } of [
      { name: "a second answer", rest: ok },
      { name: "garbage", rest: "garbage" },
    ]) {
      it(`a connection with ${name} left behind an answer is never used again`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(ok + rest)] });
        const client = await rig.client();
        for (let i = 1; i <= 3; i++) {
          client.send(head("GET / HTTP/1.1"));
          expect((await client.answer()).body).toBe("ok");
          expect(rig.backend.sockets).toHaveLength(i);
        }
      });
    }

    it("a connection on which bytes come between requests is never used again", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      rig.backend.sockets[0]?.write("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).body).toBe("ok");
    });

    it("an event of a stream passes at once", async () => {
      const opening = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(opening)] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.through("\r\n\r\n"); // the head, before any event
      for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
        rig.backend.sockets[0]?.write(event);
        await client.through(event);
      }
    });
  });
}
