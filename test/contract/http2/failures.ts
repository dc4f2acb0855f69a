import { constants } from "node:http2";
import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client, answerOf } from "#test/support/http2-client.ts";
import { FrameClient, codeOf, flag, frameOf, type } from "#test/support/http2-frames.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig } from "../engine/rig.ts";

const silent: Script = { onRequest: () => {} };
const half = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
const get = [":method", "GET", ":path", "/", ":scheme", "http", ":authority", "www.stream.test"];
const post = [":method", "POST", ":path", "/", ":scheme", "http", ":authority", "www.stream.test"];

/** Servers and clients that fail: what ends one stream ends no other. */
export function describeHttp2Failures(engine: EngineName): void {
  describe("failures", () => {
    for (const how of ["ends", "is reset"])
      it(`a server that ${how} within its answer: the stream is reset, others go on`, async () => {
        await using rig = await Rig.start({
          engine,
          scripts: [
            {
              onRequest: ({ line, socket }) => {
                if (!line.includes("/half")) return void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                socket.write(half, () => (how === "ends" ? socket.end() : socket.resetAndDestroy()));
              },
            },
          ],
        });
        using client = await Http2Client.connect(rig.address);
        const answer = await client.ask({ path: "/half" });
        expect([answer.isWhole, answer.rstCode]).toEqual([false, constants.NGHTTP2_INTERNAL_ERROR]);
        expect((await client.ask()).status).toBe(200);
        expect(client.goaways).toEqual([]);
      });

    it("a client that resets its stream: the server's connection ends within 100 ms, other streams go on", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent] });
      using client = await Http2Client.connect(rig.address);
      const [gone, stays] = [client.open({ path: "/gone" }, true), client.open({ path: "/stays" }, true)];
      for (const stream of [gone, stays]) stream.on("error", () => {});
      await rig.backend.until(() => rig.backend.requests.length === 2);
      const goneMs = performance.now();
      gone.close(constants.NGHTTP2_CANCEL);
      await rig.backend.until(() => rig.backend.sockets.some((socket) => socket.destroyed));
      expect(performance.now() - goneMs).toBeLessThan(100);
      const request = rig.backend.requests.find(({ line }) => line.includes("/stays"));
      request?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      expect((await answerOf(stays)).body).toBe("ok");
    });

    for (const how of ["ends", "is reset"])
      it(`a connection that ${how}: the servers' connections end within 100 ms`, async () => {
        await using rig = await Rig.start({ engine, scripts: [silent] });
        using client = await FrameClient.connect(rig.address);
        client.request(1, get);
        client.request(3, get);
        await rig.backend.until(() => rig.backend.requests.length === 2);
        const goneMs = performance.now();
        if (how === "ends") client.socket.end();
        else client.socket.resetAndDestroy();
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
        expect(performance.now() - goneMs).toBeLessThan(100);
      });

    it("a client that leaves within its own body: the server's connection ends", async () => {
      await using rig = await Rig.start({ engine });
      using client = await FrameClient.connect(rig.address);
      client.request(1, post, 0);
      client.send(type.data, 0, 1, Buffer.from("half"));
      await rig.backend.until(() => rig.backend.sockets.length === 1);
      client.send(type.reset, 0, 1, Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]));
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect(rig.backend.requests).toEqual([]);
    });

    it("a body that stops coming: 408", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { body: "50ms" } } });
      using client = await Http2Client.connect(rig.address);
      const stream = client.open({ method: "POST" });
      stream.write("half");
      const answer = await answerOf(stream);
      expect([answer.status, answer.values("x-watershed-reason")]).toEqual([408, ["TIMEOUT"]]);
      expect((await client.ask()).status).toBe(200);
    });

    it("a server that is silent: 504", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent], config: { timeouts: { request: "50ms" } } });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      expect([answer.status, answer.values("x-watershed-reason")]).toEqual([504, ["TIMEOUT"]]);
    });

    it("no server that could be reached: 502; none at all: 503 with Retry-After", async () => {
      await using rig = await Rig.start({ engine, scripts: [], endpoints: ["127.0.0.1:1"] });
      using client = await Http2Client.connect(rig.address);
      const refused = await client.ask({ method: "POST", body: "x" });
      expect([refused.status, refused.values("x-watershed-reason")]).toEqual([502, ["CONNECT_FAILED"]]);
      await using empty = await Rig.start({ engine, scripts: [] });
      using other = await Http2Client.connect(empty.address);
      const none = await other.ask();
      expect([none.status, none.values("retry-after")]).toEqual([503, ["1"]]);
    });

    it("a GET whose server resets goes to the next one, a POST whose body has begun does not", async () => {
      const resets: Script = { onHead: ({ socket }) => (socket.resetAndDestroy(), true) };
      await using rig = await Rig.start({ engine, scripts: [resets, {}] });
      using client = await Http2Client.connect(rig.address);
      const statuses: number[] = [];
      for (let i = 0; i < 2; i++) statuses.push((await client.ask()).status);
      expect(statuses).toEqual([200, 200]);
      const posts: number[] = [];
      for (let i = 0; i < 2; i++) posts.push((await client.ask({ method: "POST", body: "x" })).status);
      expect(new Set(posts)).toEqual(new Set([200, 502]));
    });

    it("a client whose window is shut: the server is paused, and the stream is reset in the end", async () => {
      let isFull = () => {};
      const full = new Promise<void>((resolve) => (isFull = resolve));
      const endless: Script = {
        onRequest: ({ socket }) => {
          socket.write("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
          const more = () => {
            while (socket.write(Buffer.alloc(65_536)));
            if (socket.writableLength > 1_000_000) isFull();
            else setImmediate(more);
          };
          more();
        },
      };
      await using rig = await Rig.start({ engine, scripts: [endless], config: { timeouts: { idle: "200ms" } } });
      using client = await FrameClient.connect(rig.address);
      client.request(1, get);
      await full;
      const reset = await client.until(({ type: kind }) => kind === type.reset);
      expect(reset && codeOf(reset)).toBe(constants.NGHTTP2_INTERNAL_ERROR);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      const bytes = client.frames.filter(({ type: kind }) => kind === type.data).map(({ payload }) => payload.length);
      expect(bytes.reduce((sum, size) => sum + size, 0)).toBe(65_535);
    });
  });

  describe("malformed requests are reset, unseen by any server, and the connection goes on", () => {
    for (const { name, lines } of [
      { name: "a capital letter in a name", lines: [...get, "X-A", "1"] },
      { name: "Connection", lines: [...get, "connection", "close"] },
      { name: "Transfer-Encoding", lines: [...post, "transfer-encoding", "chunked"] },
      { name: "Keep-Alive", lines: [...get, "keep-alive", "5"] },
      { name: "Upgrade", lines: [...get, "upgrade", "h2c"] },
      { name: "Proxy-Connection", lines: [...get, "proxy-connection", "keep-alive"] },
      { name: "TE other than trailers", lines: [...get, "te", "gzip"] },
      { name: "no :path", lines: [":method", "GET", ":scheme", "http", ":authority", "a"] },
      { name: "an empty :path", lines: [":method", "GET", ":path", "", ":scheme", "http", ":authority", "a"] },
      { name: "no :method", lines: [":path", "/", ":scheme", "http", ":authority", "a"] },
      { name: "no :scheme", lines: [":method", "GET", ":path", "/", ":authority", "a"] },
      { name: "two :path", lines: [...get, ":path", "/b"] },
      {
        name: "a pseudo-header field behind a line",
        lines: [":method", "GET", "x", "1", ":path", "/", ":scheme", "http"],
      },
      { name: "an unknown pseudo-header field", lines: [":x", "1", ...get] },
      { name: "a :status", lines: [":status", "200", ...get] },
      { name: "a space in :path", lines: [":method", "GET", ":path", "/a b", ":scheme", "http", ":authority", "a"] },
      {
        name: "a space in :authority",
        lines: [":method", "GET", ":path", "/", ":scheme", "http", ":authority", "a b"],
      },
      { name: "two Content-Lengths", lines: [...post, "content-length", "3", "content-length", "4"] },
      { name: "a Content-Length that is no number", lines: [...post, "content-length", "+3"] },
      { name: "a Content-Length without a body", lines: [...get, "content-length", "3"] },
    ])
      it(name, async () => {
        await using rig = await Rig.start({ engine });
        using client = await FrameClient.connect(rig.address);
        client.request(1, lines, lines[1] === "POST" ? 0 : flag.end);
        const reset = await client.until(({ stream, type: kind }) => stream === 1 && kind === type.reset);
        expect(reset && codeOf(reset)).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
        client.request(3, get);
        expect(await client.until(({ stream, type: kind }) => stream === 3 && kind === type.headers)).toBeDefined();
        expect(rig.backend.requests.map(({ line }) => line)).toEqual(["GET / HTTP/1.1"]);
      });

    for (const { name, lines } of [
      { name: "a line feed in a value", lines: ["x", "1\ny: 2"] },
      { name: "a NUL in a value", lines: ["x", "1\0"] },
      { name: "a space before a value", lines: ["x", " 1"] },
      { name: "a colon within a name", lines: ["x:y", "1"] },
      { name: "a space in a name", lines: ["x y", "1"] },
      { name: "an empty name", lines: ["", "1"] },
    ])
      it(`${name}: nghttp2 drops such a line, so no server sees it`, async () => {
        await using rig = await Rig.start({ engine });
        using client = await FrameClient.connect(rig.address);
        client.request(1, get);
        client.request(3, [...get, ...lines]);
        for (const stream of [1, 3])
          await client.until((frame) => frame.stream === stream && frame.type === type.headers);
        const [plain, other] = rig.backend.requests.map(({ headers }) => headers.map(([key]) => key));
        expect(other).toEqual(plain);
      });

    for (const { name, sizes, code } of [
      { name: "DATA beyond the Content-Length", sizes: [3, 3], code: constants.NGHTTP2_INTERNAL_ERROR },
      { name: "DATA short of the Content-Length", sizes: [3], code: constants.NGHTTP2_PROTOCOL_ERROR },
    ])
      it(`${name}: no server gets the whole of it`, async () => {
        await using rig = await Rig.start({ engine });
        using client = await FrameClient.connect(rig.address);
        client.request(1, [...post, "content-length", "5"], 0);
        for (const [i, size] of sizes.entries())
          client.send(type.data, i === sizes.length - 1 ? flag.end : 0, 1, Buffer.alloc(size, "x"));
        const end = await client.until(({ type: kind }) => kind === type.reset || kind === type.goaway);
        expect(end && codeOf(end)).toBe(code);
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
        expect(rig.backend.requests).toEqual([]);
      });

    it("what hides in a body, a path or a line is no second request", async () => {
      await using rig = await Rig.start({ engine });
      using client = await FrameClient.connect(rig.address);
      const hidden = Buffer.from("0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n");
      client.request(1, post, 0);
      client.send(type.data, flag.end, 1, hidden);
      client.request(3, [...post, "content-length", String(hidden.length)], 0);
      client.send(type.data, flag.end, 3, hidden);
      for (const stream of [1, 3])
        await client.until((frame) => frame.stream === stream && (frame.flags & flag.end) > 0);
      expect(rig.backend.requests.map(({ line, body }) => [line, body])).toEqual([
        ["POST / HTTP/1.1", hidden.toString()],
        ["POST / HTTP/1.1", hidden.toString()],
      ]);
    });
  });

  describe("what is no HTTP/2 ends the connection", () => {
    for (const { name, bytes, code } of [
      {
        name: "DATA on no stream",
        bytes: frameOf(type.data, 0, 0, Buffer.from("x")),
        code: constants.NGHTTP2_PROTOCOL_ERROR,
      },
      {
        name: "a frame that is too large",
        bytes: frameOf(type.data, 0, 1, Buffer.alloc(16_385)),
        code: constants.NGHTTP2_FRAME_SIZE_ERROR,
      },
      {
        name: "a request on an even stream",
        bytes: frameOf(type.headers, flag.end | flag.endHeaders, 2, Buffer.of(0x82)),
        code: constants.NGHTTP2_PROTOCOL_ERROR,
      },
      {
        name: "a broken header block",
        bytes: frameOf(type.headers, flag.end | flag.endHeaders, 1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)),
        code: constants.NGHTTP2_COMPRESSION_ERROR,
      },
    ])
      it(name, async () => {
        await using rig = await Rig.start({ engine });
        using client = await FrameClient.connect(rig.address);
        client.socket.write(bytes);
        const goaway = await client.until(({ type: kind }) => kind === type.goaway);
        expect(goaway && codeOf(goaway)).toBe(code);
        await client.until(() => false);
        expect(rig.backend.requests).toEqual([]);
      });
  });
}
