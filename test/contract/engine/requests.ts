import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const answering = (bytes: string) => ({ onRequest: ({ socket }: SeenRequest) => void socket.write(bytes, "latin1") });

/** Framing, headers and order of what goes to servers. */
export function describeRequests(engine: EngineName, skips: ReadonlyMap<string, string>): void {
  describe("requests", () => {
    for (const method of ["DELETE", "OPTIONS", "GET", "POST", "PUT", "PATCH"]) {
      it(`a chunked ${method} stays chunked, and its body is no second request`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        const size = body.length.toString(16);
        client.send(`${head(`${method} /a HTTP/1.1`, "Transfer-Encoding: chunked")}${size}\r\n${body}\r\n0\r\n\r\n`);
        expect((await client.answer()).status).toBe(200);
        expect(rig.backend.requests.map(({ line }) => line)).toEqual([`${method} /a HTTP/1.1`]);
        const [request] = rig.backend.requests;
        expect(request?.values("transfer-encoding")).toEqual(["chunked"]);
        expect(request?.values("content-length")).toEqual([]);
        expect(request?.body).toBe(body);
      });

      it(`a ${method} with a Content-Length keeps it`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        client.send(`${head(`${method} / HTTP/1.1`, "Content-Length: 5")}hello`);
        await client.answer();
        expect(rig.backend.requests.map(({ body }) => body)).toEqual(["hello"]);
        expect(rig.backend.requests[0]?.values("content-length")).toEqual(["5"]);
        expect(rig.backend.requests[0]?.values("transfer-encoding")).toEqual([]);
      });
    }

    it("a POST without a body says so, a GET says nothing", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1") + head("GET / HTTP/1.1"));
      await client.answer();
      await client.answer();
      expect(rig.backend.requests.map((request) => request.values("content-length"))).toEqual([["0"], []]);
    });

    it("trailers go on, forbidden ones do not; chunk extensions are dropped", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Transfer-Encoding: chunked"));
      client.send("2;x=y\r\nab\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n");
      await client.answer();
      expect(rig.backend.requests[0]?.trailers).toEqual(["X-Sum: 1"]);
      expect(rig.backend.requests[0]?.body).toBe("ab");
    });

    it("the target is forwarded in its normalised form, with // and ; and the query as they are", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET //a/./b/%2e%2e//c;x=%41%20?q=/../%zz HTTP/1.1"));
      await client.answer();
      expect(rig.backend.requests[0]?.line).toBe("GET //a//c;x=A%20?q=/../%zz HTTP/1.1");
    });

    it("an absolute target becomes a path, and its authority wins over Host", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET http://other.test:81?x HTTP/1.1"));
      await client.answer();
      expect(rig.backend.requests[0]?.line).toBe("GET /?x HTTP/1.1");
      expect(rig.backend.requests[0]?.values("host")).toEqual(["other.test:81"]);
    });

    it("repeated lines stay apart, in order, with their case and bytes", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "X-A: 1", "x-a: 2", "Cookie: a=1", "Cookie: b=2", "X-Latin: \xe9"));
      await client.answer();
      const seen = rig.backend.requests[0]?.headers.map(([name, value]) => `${name}: ${value}`) ?? [];
      expect(seen.slice(1, 6)).toEqual(["X-A: 1", "x-a: 2", "Cookie: a=1", "Cookie: b=2", "X-Latin: \xe9"]);
    });

    it("hop-by-hop and Connection-listed headers are stripped, but never what the router adds", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      const listed = "Connection: X-Secret, host, x-forwarded-for, via, x-request-id, content-length";
      client.send(
        head(
          "GET / HTTP/1.1",
          listed,
          "X-Secret: 1",
          "Keep-Alive: 5",
          "Proxy-Connection: x",
          "TE: gzip",
          "Upgrade: h2c",
        ),
      );
      await client.answer();
      const [request] = rig.backend.requests;
      for (const name of ["connection", "x-secret", "keep-alive", "proxy-connection", "te", "upgrade"])
        expect(request?.values(name), name).toEqual([]);
      expect(request?.values("host")).toEqual(["www.stream.test"]);
      expect(request?.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
      expect(request?.values("via")).toEqual(["1.1 router-1"]);
      expect(request?.values("x-request-id")[0]).toMatch(/^[0-9a-f]{32}$/);
    });

    it("of TE only trailers goes on", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "TE: gzip, trailers", "Connection: TE"));
      await client.answer();
      expect(rig.backend.requests[0]?.values("te")).toEqual(["trailers"]);
    });

    it("nothing that an untrusted client says of itself is believed", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      const lies = [
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil",
        "Forwarded: for=1.2.3.4",
      ];
      client.send(
        head("GET / HTTP/1.1", ...lies, "X-Request-Id: mine", "X-Real-IP: 1.2.3.4", "X-Watershed-Trace: abcdefgh"),
      );
      const answer = await client.answer();
      const [request] = rig.backend.requests;
      expect(request?.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
      expect(request?.values("x-forwarded-proto")).toEqual(["http"]);
      expect(request?.values("x-forwarded-host")).toEqual(["www.stream.test"]);
      expect(request?.values("forwarded")).toEqual(['for=127.0.0.1;host="www.stream.test";proto=http']);
      expect(request?.values("x-real-ip")).toEqual([]);
      expect(request?.values("x-watershed-trace")).toEqual([]);
      expect(request?.values("x-request-id")).toEqual([answer.header("x-request-id")]);
      expect(request?.values("traceparent")[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    });

    it("a loop is answered 508", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", "Via: 1.1 other, 1.1 router-1"));
      expect((await client.answer()).status).toBe(508);
      expect(rig.backend.requests).toEqual([]);
    });

    it("Expect: 100-continue is passed on, and the body waits for the server's word", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onHead: ({ socket }) => void socket.write("HTTP/1.1 100 Continue\r\n\r\n") }],
      });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"));
      expect((await client.answer()).status).toBe(100);
      client.send("hello");
      expect((await client.answer()).status).toBe(200);
      expect(rig.backend.requests[0]?.body).toBe("hello");
    });

    it("an expectation that the server refuses ends the connection without the body", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onHead: ({ socket }) => socket.write("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n") }],
      });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"));
      const answer = await client.answer();
      expect([answer.status, answer.header("connection")]).toEqual([403, "close"]);
      expect(await client.ended).toBe("end");
    });

    it("a body over the limit is 413 before a server sees any of it", async () => {
      await using rig = await Rig.start({ engine, config: { limits: { bodyBytes: "1KiB" } } });
      const client = await rig.client();
      client.send(`${head("POST / HTTP/1.1", "Content-Length: 1025")}${"x".repeat(1_025)}`);
      const answer = await client.answer();
      expect([answer.status, answer.header("x-watershed-reason")]).toEqual([413, "BODY_TOO_LARGE"]);
      expect(await client.ended).toBe("end");
      expect(rig.backend.sockets).toHaveLength(0);
    });

    it("a chunked body over the limit is cut at the limit: 413, and the server's connection ends", async () => {
      await using rig = await Rig.start({ engine, config: { limits: { bodyBytes: "1KiB" } } });
      const client = await rig.client();
      client.send(head("POST / HTTP/1.1", "Transfer-Encoding: chunked"));
      client.send(`400\r\n${"x".repeat(1_024)}\r\n400\r\n${"y".repeat(1_024)}\r\n`);
      expect((await client.answer()).status).toBe(413);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect(rig.backend.requests).toEqual([]);
    });

    it("pipelined requests are answered in order, one after the other", async () => {
      const waiting: SeenRequest[] = [];
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: (request) => void waiting.push(request) }] });
      const client = await rig.client();
      client.send(head("GET /1 HTTP/1.1") + head("GET /2 HTTP/1.1") + head("GET /3 HTTP/1.1"));
      for (const path of ["/1", "/2", "/3"]) {
        await rig.backend.until(() => waiting.length > 0);
        const request = waiting.shift();
        expect(request?.line).toBe(`GET ${path} HTTP/1.1`);
        expect(waiting).toEqual([]);
        request?.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`);
        expect((await client.answer()).body).toBe(path);
      }
    });

    it("invalid bytes behind a request are refused after its answer", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(`${head("GET / HTTP/1.1")}G@RBAGE\r\n\r\n`);
      expect((await client.answer()).status).toBe(200);
      expect((await client.answer()).status).toBe(400);
      expect(await client.ended).toBe("end");
    });

    const overrun = "more pipelined requests than one may hold: those that fit are answered, then the connection ends";
    it.skipIf(skips.has(overrun))(overrun, async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1").repeat(400));
      let answered = 0;
      for (let last = ""; last !== "close"; answered++) last = (await client.answer()).header("connection") ?? "";
      expect(answered).toBeGreaterThan(100);
      expect(answered).toBeLessThan(400);
      await client.ended;
    });

    it("nothing that is pipelined behind the last request of a connection is served", async () => {
      const closing = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      await using rig = await Rig.start({ engine, scripts: [closing] });
      for (const lines of [["Connection: close"], ["Connection: Upgrade", "Upgrade: h2c"]]) {
        const client = await rig.client();
        client.send(head("GET /last HTTP/1.1", ...lines) + head("POST /behind HTTP/1.1"));
        expect((await client.answer()).header("connection")).toBe("close");
        await client.ended;
        expect(client.unread).toBe("");
      }
      expect(rig.backend.requests.map(({ line }) => line)).toEqual(["GET /last HTTP/1.1", "GET /last HTTP/1.1"]);
    });

    it("a Content-Length of 0 is no body: the router's own answers keep the connection", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      for (const start of ["GET /health HTTP/1.1", "OPTIONS * HTTP/1.1", "GET /health HTTP/1.1"]) {
        client.send(head(start, "Content-Length: 0"));
        const answer = await client.answer();
        expect([answer.status, answer.header("connection")]).toEqual([200, "keep-alive"]);
      }
    });

    it("a lone % in the query, as browsers send it, is forwarded as it is", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("GET /?save=50%&id=%%ID%% HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      expect(rig.backend.requests[0]?.line).toBe("GET /?save=50%&id=%%ID%% HTTP/1.1");
    });

    it("OPTIONS * is answered by the router", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("OPTIONS * HTTP/1.1"));
      const answer = await client.answer();
      expect([answer.status, answer.header("allow")]).toEqual([200, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"]);
      expect(rig.backend.requests).toEqual([]);
    });

    it("a method that changes nothing for HTTP, such as PROPFIND, goes through", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      client.send(head("PROPFIND / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
    });
  });
}
