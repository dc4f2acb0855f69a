import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { AddressInfo, Socket } from "node:net";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { Script } from "#test/support/scripted-backend.ts";
import { Rig, head } from "./rig.ts";

const asking = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13"];
const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const switches: Script = {
  onHead: ({ socket }) => {
    socket.write(switching);
    return true;
  },
};

/** WebSockets and refused upgrades. */
export function describeUpgrades(engine: EngineName): void {
  describe("upgrades", () => {
    it("a WebSocket carries 1 MiB each way", async () => {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      await once(server, "listening");
      server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
      const { port } = server.address() as AddressInfo;
      await using rig = await Rig.start({ engine, scripts: [], endpoints: [`127.0.0.1:${port}`] });
      const socket = new WebSocket(`ws://${rig.address}/live`);
      await once(socket, "open");
      const message = Buffer.alloc(1_048_576, "wave");
      socket.send(message);
      const [echo] = (await once(socket, "message")) as [Buffer];
      expect(message.equals(echo)).toBe(true);
      socket.close(1_000);
      expect((await once(socket, "close"))[0]).toBe(1_000);
      server.close();
    });

    it("the head of the upgrade goes through, rebuilt like any", async () => {
      await using rig = await Rig.start({ engine, scripts: [switches] });
      const client = await rig.client();
      client.send(head("GET /a/../live HTTP/1.1", ...asking, "X-Forwarded-For: 1.2.3.4"));
      const answer = await client.answer();
      expect([answer.status, answer.header("upgrade"), answer.header("connection")]).toEqual([
        101,
        "websocket",
        "Upgrade",
      ]);
      const [request] = rig.backend.requests;
      expect(request?.line).toBe("GET /live HTTP/1.1");
      expect([request?.values("upgrade"), request?.values("connection")]).toEqual([["websocket"], ["Upgrade"]]);
      expect(request?.values("x-forwarded-for")).toEqual(["127.0.0.1"]);
      expect(request?.values("content-length")).toEqual([]);
    });

    it("bytes that came with either head are kept", async () => {
      let got = "";
      const early: Script = {
        onHead: ({ socket }) => {
          socket.write(`${switching}from the server`);
          socket.on("data", (chunk) => {
            got += chunk.toString();
            if (got.endsWith("from the client")) socket.write("!");
          });
          return true;
        },
      };
      await using rig = await Rig.start({ engine, scripts: [early] });
      const client = await rig.client();
      client.send(`${head("GET / HTTP/1.1", ...asking)}from the client`);
      await client.answer();
      await client.through("from the server!");
      expect(got).toContain("from the client");
    });

    it("a half-close is carried, and the other way stays open", async () => {
      const echoAtEnd: Script = {
        onHead: ({ socket }) => {
          socket.removeAllListeners("end");
          socket.on("end", () => socket.end("last words"));
          socket.write(switching);
          return true;
        },
      };
      await using rig = await Rig.start({ engine, scripts: [echoAtEnd] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      await client.answer();
      client.socket.end();
      await client.through("last words");
      expect(await client.ended).toBe("end");
    });

    it("a reset of the server is carried as a reset", async () => {
      await using rig = await Rig.start({ engine, scripts: [switches] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      await client.answer();
      rig.backend.sockets[0]?.resetAndDestroy();
      expect(await client.ended).toBe("reset");
    });

    it("a reset of the client reaches the server", async () => {
      await using rig = await Rig.start({ engine, scripts: [switches] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      await client.answer();
      client.socket.resetAndDestroy();
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
    });

    it("an idle one is reset on both sides", async () => {
      await using rig = await Rig.start({ engine, scripts: [switches], config: { timeouts: { idle: "60ms" } } });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      await client.answer();
      expect(await client.ended).toBe("reset");
      await rig.backend.until(() => rig.backend.sockets[0]?.destroyed ?? false);
    });

    for (const [name, bytes] of [
      ["a length", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"],
      ["chunks", "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n"],
    ] as const) {
      it(`a refused upgrade is a plain answer (${name})`, async () => {
        await using rig = await Rig.start({
          engine,
          scripts: [{ onRequest: ({ socket }) => void socket.write(bytes) }],
        });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1", ...asking));
        const answer = await client.answer();
        expect([answer.status, answer.body, answer.header("connection")]).toEqual([403, "no", "close"]);
        expect(await client.ended).toBe("end");
      });
    }

    it("a refused upgrade carries an answer larger than any buffer", async () => {
      const body = "x".repeat(8_000_000);
      const bytes = `HTTP/1.1 403 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      await using rig = await Rig.start({ engine, scripts: [{ onRequest: ({ socket }) => void socket.write(bytes) }] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      expect((await client.answer()).body).toHaveLength(body.length);
    });

    for (const { name, behind, leave } of [
      { name: "ends", behind: "", leave: (socket: Socket) => void socket.end() },
      { name: "ends behind early bytes", behind: "early", leave: (socket: Socket) => void socket.end() },
      { name: "is reset", behind: "", leave: (socket: Socket) => void socket.resetAndDestroy() },
      {
        name: "is reset behind early bytes",
        behind: "early",
        leave: (socket: Socket) => void socket.resetAndDestroy(),
      },
      { name: "sends without end", behind: "", leave: (socket: Socket) => void socket.write("x".repeat(200_000)) },
    ]) {
      it(`a client that ${name} before the answer: the server's connection ends within 100 ms`, async () => {
        await using rig = await Rig.start({ engine, scripts: [{ onHead: () => true }] });
        const client = await rig.client();
        client.send(head("GET / HTTP/1.1", ...asking) + behind);
        await rig.backend.until(() => rig.backend.requests.length === 1);
        const goneMs = performance.now();
        leave(client.socket);
        await rig.backend.until(() => rig.backend.sockets.every((socket) => socket.destroyed));
        expect(performance.now() - goneMs).toBeLessThan(100);
      });
    }

    for (const { name, start } of [
      { name: "a refused upgrade", start: head("GET / HTTP/1.1", ...asking) },
      { name: "CONNECT", start: "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" },
    ]) {
      it(`${name} with bytes behind its head leaves no connection behind`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        client.send(`${start}bytes behind`);
        await client.answer();
        expect(await client.ended).toBe("end");
        client.socket.destroy();
        await until(() => (rig.router.status()["listeners"] as { connections: number }[])[0]?.connections === 0);
      });
    }

    it("a refused connect: the next endpoint switches", async () => {
      await using rig = await Rig.start({ engine, endpoints: ["127.0.0.1:1"], scripts: [switches] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      expect((await client.answer()).status).toBe(101);
    });

    it("an upgrade to something else is served as the request that it is", async () => {
      await using rig = await Rig.start({ engine });
      const client = await rig.client();
      const h2c = head("GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA");
      client.send(h2c);
      expect((await client.answer()).status).toBe(200);
      expect(rig.backend.requests[0]?.values("http2-settings")).toEqual([]);
    });

    it("a 101 to another protocol than was asked for: 502", async () => {
      const wrong: Script = {
        onHead: ({ socket }) => socket.write("HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: irc\r\n\r\n"),
      };
      await using rig = await Rig.start({ engine, scripts: [wrong] });
      const client = await rig.client();
      client.send(head("GET / HTTP/1.1", ...asking));
      expect((await client.answer()).status).toBe(502);
    });

    it("one behind a pipelined request waits for its turn", async () => {
      await using rig = await Rig.start({
        engine,
        scripts: [{ onHead: ({ line, socket }) => line.includes("/live") && socket.write(switching) }],
      });
      const client = await rig.client();
      client.send(head("GET /first HTTP/1.1") + head("GET /live HTTP/1.1", ...asking));
      expect((await client.answer()).status).toBe(200);
      expect((await client.answer()).status).toBe(101);
    });
  });
}

/** Of what says nothing when it changes. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => void setImmediate(resolve));
}
