import { constants } from "node:http2";
import { describe, expect, it } from "vitest";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Http2Client } from "#test/support/http2-client.ts";
import { FrameClient, codeOf, flag, type } from "#test/support/http2-frames.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig } from "../engine/rig.ts";

const silent: Script = { onRequest: () => {} };
const get = [":method", "GET", ":path", "/", ":scheme", "http", ":authority", "www.stream.test"];
const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const lastStreamOf = (payload: Buffer) => payload.readUInt32BE(0);

/** How connections end without losing a request. */
export function describeHttp2Ends(engine: EngineName): void {
  describe("drain and reload", () => {
    it("tells its clients which requests it has taken, answers those, and ends", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent] });
      using client = await FrameClient.connect(rig.address);
      client.request(1, get);
      client.request(3, get);
      await rig.backend.until(() => rig.backend.requests.length === 2);
      const finished = rig.router.finish();
      const goaway = await client.until(({ type: kind }) => kind === type.goaway);
      expect(goaway && [codeOf(goaway), lastStreamOf(goaway.payload)]).toEqual([constants.NGHTTP2_NO_ERROR, 3]);
      client.request(5, get); // It may be sent again on another connection: nobody has seen it.
      for (const { socket } of rig.backend.requests) socket.write(answer);
      for (const stream of [1, 3])
        expect(await client.until((frame) => frame.stream === stream && (frame.flags & flag.end) > 0)).toBeDefined();
      await client.until(() => false);
      await finished;
      expect(rig.backend.requests).toHaveLength(2);
    });

    it("while draining, an answer tells its connection to end", async () => {
      await using rig = await Rig.start({ engine });
      using client = await FrameClient.connect(rig.address);
      rig.router.drain();
      client.request(1, get);
      expect(await client.until(({ type: kind, flags }) => kind === type.data && (flags & flag.end) > 0)).toBeDefined();
      const notice = await client.until(({ type: kind }) => kind === type.goaway);
      expect(notice && codeOf(notice)).toBe(constants.NGHTTP2_NO_ERROR);
    });

    it("idle connections end at once", async () => {
      await using rig = await Rig.start({ engine });
      using client = await FrameClient.connect(rig.address);
      client.request(1, get);
      await client.until(({ type: kind, flags }) => kind === type.data && (flags & flag.end) > 0);
      await rig.router.finish();
      const goaway = await client.until(({ type: kind }) => kind === type.goaway);
      expect(goaway && [codeOf(goaway), lastStreamOf(goaway.payload)]).toEqual([constants.NGHTTP2_NO_ERROR, 1]);
      await client.until(() => false);
    });

    it("a reload leaves connections and streams alone", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent] });
      using client = await Http2Client.connect(rig.address);
      const slow = client.ask();
      await rig.backend.until(() => rig.backend.requests.length === 1);
      const config = {
        listeners: [{ address: "127.0.0.1:0" }],
        engine,
        node: "router-1",
        routes: [{ match: { path: "/*" }, respond: { status: 200, body: "new" } }],
        pools: { main: { endpoints: [{ address: rig.backend.address }] } },
      };
      for (let i = 0; i < 10; i++) await rig.router.reload(l7RouterSchema.parse(config));
      expect((await client.ask()).body).toBe("new");
      rig.backend.requests[0]?.socket.write(answer);
      expect((await slow).body).toBe("ok");
      expect(client.goaways).toEqual([]);
    });

    it("a reload without the listener ends its connections when their requests are answered", async () => {
      await using rig = await Rig.start({ engine, scripts: [silent] });
      using client = await FrameClient.connect(rig.address);
      client.request(1, get);
      await rig.backend.until(() => rig.backend.requests.length === 1);
      const config = { listeners: [{ address: "127.0.0.2:0" }], engine, node: "router-1", routes: [], pools: {} };
      await rig.router.reload(l7RouterSchema.parse(config));
      rig.backend.requests[0]?.socket.write(answer);
      expect(await client.until(({ flags, stream }) => stream === 1 && (flags & flag.end) > 0)).toBeDefined();
      await client.until(() => false);
    });
  });
}
