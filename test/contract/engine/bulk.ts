import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import type { EngineName } from "#l7-router/engine/registry.ts";
import { Rig, head } from "./rig.ts";

const mebibyte = 1_048_576;
const bulkBytes = 100 * mebibyte;
const heldBytesMax = 8 * mebibyte; // of the whole test process, its own server and client included

/** Much at once, with memory watched. */
export function describeBulk(engine: EngineName): void {
  describe("bulk", () => {
    it("100 MB to a client that reads slowly arrive whole, and little is held", async () => {
      const piece = randomBytes(mebibyte);
      const sent = createHash("sha256");
      await using server = await serve((_request, response) => {
        response.writeHead(200, { "content-length": bulkBytes });
        let left = bulkBytes / piece.length;
        const more = () => {
          while (left > 0) {
            left--;
            sent.update(piece);
            if (!response.write(piece)) return void response.once("drain", more);
          }
          response.end();
        };
        more();
      });
      await using rig = await Rig.start({ engine, scripts: [], endpoints: [server.address] });
      const client = http.get(`http://${rig.address}/`);
      const [answer] = (await once(client, "response")) as [http.IncomingMessage];
      const got = createHash("sha256");
      const memory = new HeldMemory();
      let bytes = 0;
      for await (const chunk of answer as AsyncIterable<Buffer>) {
        got.update(chunk);
        bytes += chunk.length;
        if (bytes % 16 === 0) await new Promise((resolve) => void setImmediate(resolve)); // slower than what sends
        memory.look();
      }
      expect([bytes, got.digest("hex")]).toEqual([bulkBytes, sent.digest("hex")]);
      expect(memory.grownBytes).toBeLessThan(heldBytesMax);
    });

    it("100 MB from a client to a server that reads slowly arrive whole, and little is held", async () => {
      const got = createHash("sha256");
      const memory = new HeldMemory();
      const take = async (request: http.IncomingMessage, response: http.ServerResponse) => {
        for await (const chunk of request as AsyncIterable<Buffer>) {
          got.update(chunk);
          await new Promise((resolve) => void setImmediate(resolve));
          memory.look();
        }
        response.end();
      };
      await using server = await serve((request, response) => void take(request, response));
      await using rig = await Rig.start({
        engine,
        scripts: [],
        endpoints: [server.address],
        config: { limits: { bodyBytes: "100MiB" } },
      });
      const request = http.request(`http://${rig.address}/`, { method: "PUT" }); // in chunks
      const answered = once(request, "response");
      const piece = randomBytes(mebibyte);
      const sent = createHash("sha256");
      for (let left = bulkBytes / piece.length; left > 0; left--) {
        sent.update(piece);
        if (!request.write(piece)) await once(request, "drain");
      }
      request.end();
      const [answer] = (await answered) as [http.IncomingMessage];
      answer.resume();
      expect([answer.statusCode, got.digest("hex")]).toEqual([200, sent.digest("hex")]);
      expect(memory.grownBytes).toBeLessThan(heldBytesMax);
    });

    it("a WebSocket carries 10 MB each way", async () => {
      const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
      await once(server, "listening");
      server.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
      const { port } = server.address() as AddressInfo;
      await using rig = await Rig.start({ engine, scripts: [], endpoints: [`127.0.0.1:${port}`] });
      const socket = new WebSocket(`ws://${rig.address}/live`);
      await once(socket, "open");
      const message = randomBytes(10 * mebibyte);
      socket.send(message);
      const [echo] = (await once(socket, "message")) as [Buffer];
      expect(message.equals(echo)).toBe(true);
      socket.close(1_000);
      expect((await once(socket, "close"))[0]).toBe(1_000);
      server.close();
    });
  });

  describe("smuggling", () => {
    const hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const { name, send } of [
      { name: "in a body with a length", send: head("POST / HTTP/1.1", `Content-Length: ${hidden.length}`) + hidden },
      {
        name: "in a chunk",
        send: `${head("GET / HTTP/1.1", "Transfer-Encoding: chunked")}${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
      },
      {
        name: "behind CL with TE",
        send: `${head("POST / HTTP/1.1", "Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n${hidden}`,
      },
      {
        name: "behind a TE of xchunked",
        send: `${head("POST / HTTP/1.1", "Transfer-Encoding: xchunked")}0\r\n\r\n${hidden}`,
      },
      {
        name: "behind a TE with a tab",
        send: `${head("POST / HTTP/1.1", "Transfer-Encoding:\tchunked", "Content-Length: 3")}0\r\n\r\n${hidden}`,
      },
      {
        name: "behind a folded TE",
        send: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${hidden}`,
      },
      {
        name: "behind two lengths",
        send: `${head("POST / HTTP/1.1", "Content-Length: 0", "Content-Length: 30")}${hidden}`,
      },
      {
        name: "behind a chunk size that wraps",
        send: `${head("POST / HTTP/1.1", "Transfer-Encoding: chunked")}100000000\r\n${hidden}`,
      },
      { name: "behind a bare LF", send: `GET / HTTP/1.1\r\nHost: a\r\nX: y\n\n${hidden}` },
      {
        name: "in trailers",
        send: `${head("POST / HTTP/1.1", "Transfer-Encoding: chunked")}0\r\nX: 1\n\n${hidden}\r\n`,
      },
    ])
      it(`a lenient server sees no request that hides ${name}`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        client.send(send);
        client.socket.end();
        await client.ended;
        expect(rig.backend.requests.filter(({ line }) => line.includes("hidden"))).toEqual([]);
        expect(rig.backend.requests.length).toBeLessThanOrEqual(1);
      });
  });
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
const looksBetween = 256; // collecting takes a few milliseconds

/** What the process holds beyond what it held at first. */
class HeldMemory {
  readonly #atFirst = HeldMemory.#now();
  #most = 0;
  #looks = 0;

  look(): void {
    if (this.#looks++ % looksBetween === 0) this.#most = Math.max(this.#most, HeldMemory.#now());
  }

  get grownBytes(): number {
    return this.#most - this.#atFirst;
  }

  static #now(): number {
    collectGarbage();
    collectGarbage(); // The first one frees buffers in the background; the second one waits for it.
    return process.memoryUsage().arrayBuffers;
  }
}

async function serve(listener: http.RequestListener): Promise<AsyncDisposable & { readonly address: string }> {
  const server = http.createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
