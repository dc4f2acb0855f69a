import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { ScriptedBackend } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** Kept connections to servers: age, eligibility, PROXY protocol. */
export function describeConnections(engine: EngineName): void {
  describe("kept connections", () => {
    it("connections to an endpoint that is taken out are closed, and none is used again", async () => {
      await using rig = await Rig.start({ engine, scripts: [{}, {}] });
      const client = await rig.client();
      for (let i = 0; i < 2; i++) {
        client.send(head("GET / HTTP/1.1"));
        await client.answer();
      }
      const [first, second] = rig.backends;
      for (const pool of rig.router.pools()) pool.setEndpointState(first?.address ?? "", "draining");
      await first?.until(() => first.sockets.every((socket) => socket.destroyed));
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      expect([first?.requests.length, second?.requests.length]).toEqual([1, 2]);
    });

    it("a kept connection ends at its age", async () => {
      await using rig = await Rig.start({ engine, pool: { connectionMaxAge: "50ms" } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      await client.answer();
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
    });
  });

  describe("PROXY protocol", () => {
    it("each connection begins with a v2 header of the router's address and the connection's id", async () => {
      let begin = "";
      const backend = await ScriptedBackend.start({
        onConnection: (socket) => socket.once("data", (chunk) => (begin = chunk.toString("latin1"))),
        onHead: ({ socket }) => {
          socket.write(ok);
          return true;
        },
      });
      await using rig = await Rig.start({
        engine,
        scripts: [],
        endpoints: [backend.address],
        pool: { proxyProtocol: { send: "v2" } },
      });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1"));
      expect((await client.answer()).status).toBe(200);
      expect(begin.slice(0, 12)).toBe("\r\n\r\n\0\r\nQUIT\n");
      expect(begin.slice(12, 14)).toBe("\x21\x11");
      expect(begin).toMatch(/\x05\0\x24[0-9a-f]{8}-[0-9a-f-]{27}/);
      await backend[Symbol.asyncDispose]();
    });
  });
}
