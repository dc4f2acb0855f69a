import { createHash } from "node:crypto";
import { once } from "node:events";
import { constants } from "node:http2";
import type { ClientHttp2Stream } from "node:http2";
import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client, answerOf } from "#test/support/http2-client.ts";
import type { Script, SeenRequest } from "#test/support/scripted-backend.ts";
import { Rig } from "../engine/rig.ts";

/** What a server says that has understood. */
function switching(request: SeenRequest): string {
  const key = request.values("sec-websocket-key")[0] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

const echo: Script = {
  onHead: (request) => {
    const { socket } = request;
    socket.removeAllListeners("end");
    socket.on("end", () => socket.end("last words"));
    socket.write(switching(request));
    socket.on("data", (chunk) => void socket.write(chunk));
    return true;
  },
};

function open(client: Http2Client, lines: Record<string, string> = {}): ClientHttp2Stream {
  const stream = client.session.request(
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": "http",
      ":path": "/live",
      ":authority": "www.stream.test",
      "sec-websocket-version": "13",
      ...lines,
    },
    { endStream: false },
  );
  stream.on("error", () => {});
  return stream;
}

async function statusOf(stream: ClientHttp2Stream): Promise<unknown> {
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  return headers[":status"];
}

/** WebSockets by extended CONNECT. @see RFC 8441 */
export function describeHttp2WebSockets(engine: EngineName): void {
  describe("WebSockets", () => {
    it("are offered", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      await client.ask();
      expect(client.session.remoteSettings.enableConnectProtocol).toBe(true);
    });

    it("become an upgrade of HTTP/1.1, and carry bytes both ways beside other requests", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [
          { onHead: (request) => (request.line.includes("/live") ? echo.onHead?.(request, rig.backend) : false) },
        ],
      });
      using client = await Http2Client.connect(rig.address);
      const stream = open(client, { origin: "http://www.stream.test" });
      expect(await statusOf(stream)).toBe(200);
      const [request] = rig.backend.requests;
      expect(request?.line).toBe("GET /live HTTP/1.1");
      expect([request?.values("upgrade"), request?.values("connection")]).toEqual([["websocket"], ["Upgrade"]]);
      expect(request?.values("origin")).toEqual(["http://www.stream.test"]);
      const sent = Buffer.alloc(1_000_000, "wave");
      stream.write(sent);
      const got: Buffer[] = [];
      let bytes = 0;
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        got.push(chunk);
        bytes += chunk.length;
        if (bytes === sent.length) break;
      }
      expect(Buffer.concat(got).equals(sent)).toBe(true);
      expect((await client.ask()).status).toBe(200);
    });

    it("an end of one side is carried, and the other way stays open", async () => {
      await using rig = await Rig.start({ engine, scripts: [echo] });
      using client = await Http2Client.connect(rig.address);
      const stream = open(client);
      await statusOf(stream);
      stream.end();
      expect(await answerOf(stream)).toMatchObject({ body: "last words", isWhole: true });
    });

    it("a reset of the server is carried as one, and the other way round", async () => {
      await using rig = await Rig.start({ engine, scripts: [echo] });
      using client = await Http2Client.connect(rig.address);
      const first = open(client);
      await statusOf(first);
      rig.backend.sockets[0]?.resetAndDestroy();
      await once(first, "close");
      expect(first.rstCode).toBe(constants.NGHTTP2_CANCEL);
      const second = open(client);
      await statusOf(second);
      second.close(constants.NGHTTP2_CANCEL);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      expect((await client.ask({ path: "/health" })).status).toBe(200);
    });

    it("an idle one is reset", async () => {
      await using rig = await Rig.start({ engine, scripts: [echo], config: { timeouts: { idle: "60ms" } } });
      using client = await Http2Client.connect(rig.address);
      const stream = open(client);
      await statusOf(stream);
      await once(stream, "close");
      expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
    });

    it("a refused one is a plain answer", async () => {
      const onHead: Script["onHead"] = ({ socket }) => socket.write("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno");
      await using rig = await Rig.start({ engine, scripts: [{ onHead }] });
      using client = await Http2Client.connect(rig.address);
      const stream = open(client);
      expect(await answerOf(stream)).toMatchObject({ status: 403, body: "no" });
    });

    it("a server that has not understood gets no client", async () => {
      const onHead: Script["onHead"] = (request) =>
        request.socket.write(switching(request).replace(/Accept: .{4}/, "Accept: 0000"));
      await using rig = await Rig.start({ engine, scripts: [{ onHead }] });
      using client = await Http2Client.connect(rig.address);
      const stream = open(client);
      expect(await answerOf(stream)).toMatchObject({ status: 0, isWhole: false });
      await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
    });

    it("another protocol is refused", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      expect(await statusOf(open(client, { ":protocol": "connect-udp" }))).toBe(405);
      expect(rig.backend.requests).toEqual([]);
    });
  });
}
