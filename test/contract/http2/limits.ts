import { constants } from "node:http2";
import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client } from "#test/support/http2-client.ts";
import { FrameClient, codeOf, flag, frameOf, headerBlock, type } from "#test/support/http2-frames.ts";
import { RawClient } from "#test/support/raw-client.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig } from "../engine/rig.ts";

const silent: Script = { onRequest: () => {} };
const get = [":method", "GET", ":path", "/", ":scheme", "http", ":authority", "www.stream.test"];
const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL]);

/** Clients that ask for too much at once, or take too long. */
export function describeHttp2Limits(engine: EngineName): void {
  describe("limits", () => {
    it("more requests at once than are taken: the rest is refused, which a client may send again", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent] });
      using client = await FrameClient.connect(rig.address);
      for (let i = 0; i < 101; i++) client.request(2 * i + 1, get);
      const reset = await client.until(({ type: kind }) => kind === type.reset);
      expect(reset && [reset.stream, codeOf(reset)]).toEqual([201, constants.NGHTTP2_REFUSED_STREAM]);
      await rig.backend.until(() => rig.backend.requests.length === 100);
    });

    for (const { name, send, code } of [
      {
        name: "requests that are reset at once",
        send: (client: FrameClient, i: number) => {
          client.request(2 * i + 1, get);
          client.send(type.reset, 0, 2 * i + 1, cancel);
        },
        code: constants.NGHTTP2_INTERNAL_ERROR,
      },
      {
        name: "PINGs",
        send: (client: FrameClient) => client.send(type.ping, 0, 0, Buffer.alloc(8)),
        code: constants.NGHTTP2_ENHANCE_YOUR_CALM,
      },
      {
        name: "SETTINGS",
        send: (client: FrameClient) => client.send(type.settings, 0, 0),
        code: constants.NGHTTP2_ENHANCE_YOUR_CALM,
      },
      {
        name: "empty DATA frames",
        send: (client: FrameClient, i: number) => {
          if (i === 0) client.request(1, [":method", "POST", ...get.slice(2)], 0);
          client.send(type.data, 0, 1);
        },
        code: constants.NGHTTP2_INTERNAL_ERROR,
      },
    ])
      it(`${name} without end end the connection`, async () => {
        await using rig = await Rig.start({ engine, scripts: [silent] });
        using client = await FrameClient.connect(rig.address);
        let isOver = false;
        client.socket.once("close", () => (isOver = true));
        for (let i = 0; i < 20_000 && !isOver; i++) {
          send(client, i);
          if (i % 100 === 0) await new Promise((resolve) => void setImmediate(resolve));
        }
        const goaway = await client.until(({ type: kind }) => kind === type.goaway);
        expect(goaway && codeOf(goaway)).toBe(code);
        await client.until(() => false);
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
      });

    for (const { name, block } of [
      { name: "with bytes", block: headerBlock(["x", "a".repeat(1_000)]) },
      { name: "without", block: Buffer.alloc(0) },
    ])
      it(`a head in CONTINUATION frames ${name} without end ends the connection`, async () => {
        await using rig = await Rig.start({ engine });
        using client = await FrameClient.connect(rig.address);
        let isOver = false;
        client.socket.once("close", () => (isOver = true));
        client.send(type.headers, flag.end, 1, headerBlock(get));
        for (let i = 0; i < 2_000 && !isOver; i++) {
          client.send(type.more, 0, 1, block);
          if (i % 100 === 0) await new Promise((resolve) => void setImmediate(resolve));
        }
        expect(await client.until(({ type: kind }) => kind === type.goaway)).toBeDefined();
        await client.until(() => false);
        expect(rig.backend.requests).toEqual([]);
      });

    it("a head beyond what could be answered is reset", async () => {
      await using rig = await Rig.start({ engine });
      using client = await Http2Client.connect(rig.address);
      const answer = await client.ask({ lines: Array.from({ length: 300 }, (_, i) => [`x-${i}`, "1"]).flat() });
      expect(answer.rstCode).toBe(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      expect((await client.ask()).status).toBe(200);
      expect(rig.backend.requests).toHaveLength(1);
    });

    it("a connection without a request is closed", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { head: "50ms" } } });
      using client = await FrameClient.connect(rig.address);
      const goaway = await client.until(({ type: kind }) => kind === type.goaway);
      expect(goaway && codeOf(goaway)).toBe(constants.NGHTTP2_NO_ERROR);
      await client.until(() => false);
    });

    it("an idle connection is closed, one with a request under way is not", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent], config: { timeouts: { idle: "50ms" } } });
      using busy = await FrameClient.connect(rig.address);
      busy.request(1, get);
      await rig.backend.until(() => rig.backend.requests.length === 1);
      using idle = await FrameClient.connect(rig.address);
      idle.request(1, [":method", "GET", ":path", "/health", ...get.slice(4)]);
      await idle.until(({ type: kind }) => kind === type.goaway);
      await idle.until(() => false);
      expect(busy.frames.filter(({ type: kind }) => kind === type.goaway)).toEqual([]);
      rig.backend.requests[0]?.socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      expect(await busy.until(({ type: kind }) => kind === type.headers)).toBeDefined();
    });

    it("the preface may come in pieces; a piece of it that stays one is answered 408", async () => {
      await using rig = await Rig.start({ engine, config: { timeouts: { head: "200ms" } } });
      const slow = await RawClient.connect(rig.address);
      slow.send("PRI * HT");
      expect((await slow.answer()).status).toBe(408);
      const client = await RawClient.connect(rig.address);
      const bytes = `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frameOf(type.settings, 0, 0, Buffer.alloc(0)).toString("latin1")}`;
      for (const byte of bytes) {
        client.send(byte);
        await new Promise((resolve) => void setImmediate(resolve));
      }
      await client.through("\x04"); // SETTINGS
      for (const { socket } of [slow, client]) socket.destroy();
    });

    it("a listener that takes none refuses the preface as HTTP/1.1 does", async () => {
      await using rig = await Rig.start({ engine, config: { listeners: [{ address: "127.0.0.1:0", h2c: false }] } });
      const client = await rig.client();
      client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
      expect((await client.answer()).status).toBe(505);
      expect(await client.ended).toBe("end");
    });
  });
}
