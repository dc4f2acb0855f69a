import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client } from "#test/support/http2-client.ts";
import { FrameClient, type } from "#test/support/http2-frames.ts";
import { Rig } from "../engine/rig.ts";

/** What goes to servers. */
export function describeHttp2Requests(engine: EngineName): void {
  describe("requests", () => {
    it("become requests of HTTP/1.1, with what the router says of the client", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask({ path: "/a/./b?c=%41", lines: ["x-a", "1", "x-a", "2", "x-latin", "\xe9"] });
      expect([answer.status, answer.body, answer.isWhole]).toEqual([200, "ok", true]);
      const [request] = rig.backend.requests;
      expect(request?.line).toBe("GET /a/b?c=%41 HTTP/1.1");
      expect(request?.values("host")).toEqual(["www.stream.test"]);
      expect(request?.values("x-a")).toEqual(["1", "2"]);
      expect(request?.values("x-latin")).toEqual(["\xe9"]);
      expect(request?.values("via")).toEqual(["2 router-1"]);
      expect(request?.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
      expect(request?.values("x-forwarded-proto")).toEqual(["http"]);
      expect(request?.values("forwarded")).toEqual(['for=127.0.0.1;host="www.stream.test";proto=http']);
      expect(request?.values("x-request-id")).toEqual(answer.values("x-request-id"));
      expect(request?.values("content-length")).toEqual([]);
      expect(request?.values("transfer-encoding")).toEqual([]);
    });

    it("crumbs of a cookie are joined", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      await client.ask({ lines: ["cookie", "a=1", "x", "y", "cookie", "b=2", "cookie", "c=3"] });
      expect(rig.backend.requests[0]?.values("cookie")).toEqual(["a=1; b=2; c=3"]);
    });

    it("a Host that says the same as :authority is said once; one alone will do", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      await client.ask({ lines: ["host", "WWW.stream.test"] });
      using frames = await FrameClient.connect(rig.address);
      frames.request(1, [":method", "GET", ":path", "/", ":scheme", "http", "host", "alone.test"]);
      await frames.until(({ type: kind }) => kind === type.headers);
      expect(rig.backend.requests.map((request) => request.values("host"))).toEqual([
        ["www.stream.test"],
        ["alone.test"],
      ]);
    });

    for (const method of ["GET", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "PROPFIND"]) {
      it(`the body of a ${method} is framed: by its length if it has one, else in chunks`, async () => {
        await using rig = await Rig.start({ engine });
        using client = await Http2Client.connect(rig.address);
        const body = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        await client.ask({ method, body });
        await client.ask({ method, body, lines: ["content-length", String(body.length)] });
        const seen = rig.backend.requests.map((request) => [
          request.line,
          request.body,
          request.values("transfer-encoding"),
          request.values("content-length"),
        ]);
        expect(seen).toEqual([
          [`${method} / HTTP/1.1`, body, ["chunked"], []],
          [`${method} / HTTP/1.1`, body, [], [String(body.length)]],
        ]);
      });
    }

    it("a length of 0 is no body, though its end comes in a frame of its own", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      expect((await client.ask({ method: "POST", body: "", lines: ["content-length", "0"] })).status).toBe(200);
      expect(rig.backend.requests[0]?.values("content-length")).toEqual(["0"]);
    });

    it("trailers go on, forbidden ones do not", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      const stream = client.session.request(
        { ":method": "POST", ":path": "/", ":authority": "www.stream.test" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () =>
        stream.sendTrailers({ "x-sum": "1", host: "evil", "x-forwarded-for": "1.2.3.4", authorization: "x" }),
      );
      stream.end("ab");
      stream.resume();
      await new Promise((resolve) => void stream.once("close", resolve));
      expect(rig.backend.requests[0]?.trailers.map((line) => line.toLowerCase())).toEqual(["x-sum: 1"]);
      expect(rig.backend.requests[0]?.body).toBe("ab");
    });

    it("TE: trailers goes on", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      await client.ask({ lines: ["te", "trailers"] });
      expect(rig.backend.requests[0]?.values("te")).toEqual(["trailers"]);
    });

    it("Expect: 100-continue is passed on, and the body waits for the server's word", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onHead: ({ socket }) => void socket.write("HTTP/1.1 100 Continue\r\n\r\n") }],
      });
      using client = await Http2Client.connect(rig.address);
      const stream = client.open({ method: "POST", lines: ["expect", "100-continue", "content-length", "5"] });
      await new Promise((resolve) => void stream.once("continue", resolve));
      expect(rig.backend.requests).toEqual([]);
      stream.end("hello");
      stream.resume();
      await new Promise((resolve) => void stream.once("close", resolve));
      expect(rig.backend.requests[0]?.body).toBe("hello");
    });

    it("of one connection are served at once: one that waits holds no other up", async () => {
      const waiting: (() => void)[] = [];
      await using rig = await Rig.start({
        engine,
        scripts: [
          {
            onRequest: ({ line, socket }) => {
              const answer = () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`);
              if (line.includes("/slow")) waiting.push(answer);
              else answer();
            },
          },
        ],
      });
      using client = await Http2Client.connect(rig.address);
      const slow = client.ask({ path: "/slow" });
      const paths = Array.from({ length: 50 }, (_, i) => `/${i}`);
      const answers = await Promise.all(paths.map((path) => client.ask({ path })));
      expect(answers.map(({ body }) => body)).toEqual(paths.map((path) => `GET ${path} HTTP/1.1`));
      await rig.backend.until(() => waiting.length === 1);
      for (const answer of waiting) answer();
      expect((await slow).body).toBe("GET /slow HTTP/1.1");
    });

    it("the router's own answers come as they do in HTTP/1.1", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      expect((await client.ask({ path: "/health" })).body).toBe('{"status":"ok"}\n');
      const options = await client.ask({ method: "OPTIONS", path: "*" });
      expect([options.status, options.values("allow")]).toEqual([
        200,
        ["GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"],
      ]);
    });

    for (const { name, ask, status, reason } of [
      { name: "a broken escape", ask: { path: "/%zz" }, status: 400, reason: "BAD_REQUEST" },
      { name: "a path above the root", ask: { path: "/../x" }, status: 400, reason: "BAD_REQUEST" },
      { name: "an escaped slash", ask: { path: "/a%2fb" }, status: 400, reason: "BAD_REQUEST" },
      { name: "a fragment", ask: { path: "/a#b" }, status: 400, reason: "BAD_REQUEST" },
      { name: "an invalid authority", ask: { authority: "a..b:x" }, status: 400, reason: "BAD_REQUEST" },
      { name: "a Host other than :authority", ask: { lines: ["host", "b.test"] }, status: 400, reason: "BAD_REQUEST" },
      { name: "an underscore in a name", ask: { lines: ["x_a", "1"] }, status: 400, reason: "BAD_REQUEST" },
      { name: "an unknown expectation", ask: { lines: ["expect", "x"] }, status: 417, reason: "BAD_REQUEST" },
      { name: "TRACE", ask: { method: "TRACE" }, status: 405, reason: "METHOD_REFUSED" },
      { name: "a long target", ask: { path: `/${"a".repeat(9_000)}` }, status: 414, reason: "TARGET_TOO_LONG" },
      {
        name: "many lines",
        ask: { lines: Array.from({ length: 150 }, (_, i) => [`x-${i}`, "1"]).flat() },
        status: 431,
        reason: "HEADERS_TOO_LARGE",
      },
      { name: "a large head", ask: { lines: ["x", "a".repeat(17_000)] }, status: 431, reason: "HEADERS_TOO_LARGE" },
      { name: "a loop", ask: { lines: ["via", "2 router-1"] }, status: 508, reason: "LOOP" },
    ]) {
      it(`${name}: ${status}, unseen by any server, and the connection goes on`, async () => {
        await using rig = await Rig.start({ engine });
        using client = await Http2Client.connect(rig.address);
        const answer = await client.ask(ask);
        expect([answer.status, answer.values("x-watershed-reason")]).toEqual([status, [reason]]);
        expect(rig.backend.requests).toEqual([]);
        expect((await client.ask()).status).toBe(200);
      });
    }

    it("CONNECT: 405", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      const stream = client.session.request({ ":method": "CONNECT", ":authority": "a.test:1" });
      stream.on("error", () => {});
      const [headers] = await new Promise<[Record<string, unknown>]>((resolve) =>
        stream.once("response", (lines) => resolve([lines])),
      );
      expect(headers[":status"]).toBe(405);
    });

    it("a body over the limit is 413 before a server sees any of it", async () => {
      await using rig = await Rig.start({ engine, config: { limits: { bodyBytes: "1KiB" } } });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask({
        method: "POST",
        body: "x".repeat(1_025),
        lines: ["content-length", "1025"],
      });
      expect([answer.status, answer.values("x-watershed-reason")]).toEqual([413, ["BODY_TOO_LARGE"]]);
      expect(rig.backend.sockets).toHaveLength(0);
      expect((await client.ask()).status).toBe(200);
    });

    it("a body without length is cut at the limit: 413, and the server's connection ends", async () => {
      await using rig = await Rig.start({ engine, config: { limits: { bodyBytes: "1KiB" } } });
      using client = await Http2Client.connect(rig.address);
      expect((await client.ask({ method: "POST", body: "x".repeat(4_096) })).status).toBe(413);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect(rig.backend.requests).toEqual([]);
      expect((await client.ask()).status).toBe(200);
    });
  });
}
