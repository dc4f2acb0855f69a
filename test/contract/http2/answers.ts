import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client } from "#test/support/http2-client.ts";
import type { SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig } from "../engine/rig.ts";

const answering = (bytes: string) => ({ onRequest: ({ socket }: SeenRequest) => void socket.write(bytes, "latin1") });
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** What goes back to clients. */
export function describeHttp2Answers(engine: EngineName): void {
  describe("answers", () => {
    it("lines keep order, repeats and bytes; what is of the connection is stripped", async () => {
      const lines =
        "Set-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nX-Latin: \xe9\r\nETag: 1\r\nETag: 2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\n";
      await using rig = await Rig.start({
        engine,
        scripts: [answering(`HTTP/1.1 200 Fine\r\n${lines}Content-Length: 0\r\n\r\n`)],
      });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      expect(answer.headers.slice(0, 5)).toEqual([
        ["set-cookie", "a=1; Path=/"],
        ["set-cookie", "b=2"],
        ["x-latin", "\xe9"],
        ["etag", "1"],
        ["etag", "2"],
      ]);
      for (const name of ["connection", "x-hop", "keep-alive", "transfer-encoding"])
        expect(answer.values(name), name).toEqual([]);
      expect(answer.values("via")).toEqual(["1.1 router-1"]);
      expect(answer.values("date")).toHaveLength(1);
    });

    it("HEAD has no body and keeps its Content-Length", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [answering("HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n")],
      });
      using client = await Http2Client.connect(rig.address);
      for (let i = 0; i < 2; i++) {
        const answer = await client.ask({ method: "HEAD" });
        expect([answer.status, answer.values("content-length"), answer.isWhole]).toEqual([200, ["42"], true]);
      }
      expect(rig.backend.sockets).toHaveLength(1);
    });

    for (const { status, lines, kept } of [
      { status: 204, lines: "Content-Length: 0\r\n", kept: [] },
      { status: 304, lines: "Content-Length: 42\r\n", kept: ["42"] },
      { status: 304, lines: "", kept: [] },
    ]) {
      it(`${status} has no body (${lines.trim() || "no length"})`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 ${status} X\r\n${lines}\r\n`)] });
        using client = await Http2Client.connect(rig.address);
        const answer = await client.ask();
        expect([answer.status, answer.values("content-length"), answer.isWhole]).toEqual([status, kept, true]);
      });
    }

    it("a stray 100 is dropped, a 103 is passed on", async () => {
      const early = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nLink: </b>\r\nConnection: x\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(`HTTP/1.1 100 Continue\r\n\r\n${early}${ok}`)] });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      const links = [
        ["link", "</a.css>; rel=preload"],
        ["link", "</b>"],
      ];
      expect(answer.informations).toEqual([{ status: 103, headers: links }]);
      expect(answer.body).toBe("ok");
    });

    it("1xx answers without end are passed on up to a number, then dropped", async () => {
      const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
      await using rig = await Rig.start({ engine, scripts: [answering(hint.repeat(100) + ok)] });
      using client = await Http2Client.connect(rig.address);
      const { informations } = await client.ask();
      expect(informations.length).toBeGreaterThan(0);
      expect(informations.length).toBeLessThanOrEqual(16);
    });

    it("chunks and trailers pass, forbidden trailers do not", async () => {
      const chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nab\r\n0\r\n";
      await using rig = await Rig.start({
        engine,
        scripts: [answering(`${chunks}X-Sum: 7\r\nSet-Cookie: a=1\r\n\r\n`)],
      });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      expect([answer.body, answer.trailers, answer.isWhole]).toEqual(["ab", [["x-sum", "7"]], true]);
    });

    for (const [name, bytes] of [
      ["chunks without trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
      ["no bytes in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
      ["an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
    ] as const)
      it(`${name} end well`, async () => {
        await using rig = await Rig.start({ engine, scripts: [answering(bytes)] });
        using client = await Http2Client.connect(rig.address);
        const answer = await client.ask();
        expect([answer.status, answer.isWhole, answer.trailers]).toEqual([200, true, []]);
      });

    it("a body that ends with its connection ends the stream", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onRequest: ({ socket }) => void socket.end("HTTP/1.1 200 OK\r\n\r\nuntil the end") }],
      });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      expect([answer.body, answer.isWhole]).toEqual(["until the end", true]);
    });

    it("each event of a stream of them leaves at once", async () => {
      let send = (_text: string): void => {};
      await using rig = await Rig.start({
        engine,
        scripts: [
          {
            onRequest: ({ socket }) => {
              socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
              send = (text) => void socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
            },
          },
        ],
      });
      using client = await Http2Client.connect(rig.address);
      const stream = client.open({}, true);
      await new Promise((resolve) => void stream.once("response", resolve));
      for (const text of ["data: 1\n\n", "data: 2\n\n"]) {
        send(text);
        const chunk = await new Promise<Buffer>((resolve) => void stream.once("data", resolve));
        expect(chunk.toString()).toBe(text);
      }
    });

    it("one connection to the server carries requests of one client, one after the other", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      for (let i = 0; i < 5; i++) expect((await client.ask()).status).toBe(200);
      expect(rig.backend.sockets).toHaveLength(1);
    });

    it("an answer that is not HTTP: 502", async () => {
      await using rig = await Rig.start({ engine, scripts: [answering("SSH-2.0-OpenSSH\r\n\r\n")] });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask();
      expect([answer.status, answer.values("x-watershed-reason")]).toEqual([502, ["UPSTREAM_INVALID"]]);
    });

    it("carries 10 MB each way", async () => {
      const body = Buffer.alloc(10_000_000, "watershed ");
      await using rig = await Rig.start({
        engine,
        scripts: [
          {
            onRequest: ({ socket, body: got }) =>
              socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${got.length}\r\n\r\n${got}`, "latin1"),
          },
        ],
      });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask({ method: "POST", body });
      expect(Buffer.from(answer.body, "latin1").equals(body)).toBe(true);
    });
  });
}
