import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import type { EngineName } from "#l7-router/engine/registry.ts";
import type { RawClient } from "#test/support/raw-client.ts";
import { refused } from "./refusals.ts";
import { Rig, head } from "./rig.ts";

const piecesMax = 150; // of one message: a long one is cut into longer pieces

/** The same for a server, byte by byte. */
async function answerCut(socket: Socket, text: string): Promise<void> {
  for (const byte of text) {
    socket.write(byte, "latin1");
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

/** Each piece is a packet of its own: the next is sent when the kernel has taken it. */
async function sendCut(client: RawClient, text: string): Promise<void> {
  const bytes = Buffer.from(text, "latin1");
  const size = Math.ceil(bytes.length / piecesMax);
  for (let at = 0; at < bytes.length && client.socket.writable; at += size) {
    client.socket.write(bytes.subarray(at, at + size));
    await new Promise((resolve) => void setImmediate(resolve));
  }
}

/** The messages of the suite again, cut at every byte, in both directions. */
export function describeCuts(engine: EngineName, skips: ReadonlyMap<string, string>): void {
  describe("cut at every byte", () => {
    for (const { name, send, status } of refused) {
      it.skipIf(skips.has(name) || skips.has(`cut: ${name}`))(`${name}: ${status}`, async () => {
        await using rig = await Rig.start({ engine, scripts: [{ onHead: () => true }] });
        const client = await rig.client();
        await sendCut(client, send);
        const answer = await client.answer();
        expect([answer.status, answer.header("connection")]).toEqual([status, "close"]);
        expect(await client.ended).toBe("end");
        expect(rig.backend.requests.filter(({ line }) => !line.startsWith("POST / "))).toEqual([]);
      });
    }

    for (const { name, send, line, body } of [
      { name: "a GET", send: head("GET /a?b HTTP/1.1", "X-A: 1"), line: "GET /a?b HTTP/1.1", body: "" },
      {
        name: "a POST with a length",
        send: `${head("POST /a HTTP/1.1", "Content-Length: 11")}hello world`,
        line: "POST /a HTTP/1.1",
        body: "hello world",
      },
      {
        name: "a POST in chunks with extensions and trailers",
        send: `${head("POST /a HTTP/1.1", "Transfer-Encoding: chunked")}5;a=b\r\nhello\r\n6\r\n world\r\n0\r\nX-T: 1\r\n\r\n`,
        line: "POST /a HTTP/1.1",
        body: "hello world",
      },
    ])
      it(`${name} is the request that it is, twice`, async () => {
        await using rig = await Rig.start({ engine });
        const client = await rig.client();
        await sendCut(client, send + send);
        for (let i = 0; i < 2; i++) expect((await client.answer()).body).toBe("ok");
        expect(rig.backend.requests.map((seen) => [seen.line, seen.body])).toEqual([
          [line, body],
          [line, body],
        ]);
      });

    for (const { name, bytes, trailers } of [
      { name: "a length", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", trailers: [] },
      {
        name: "chunks",
        bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nX-T: 1\r\n\r\n",
        trailers: [["x-t", "1"]],
      },
      {
        name: "hints before it",
        bytes: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        trailers: [],
      },
    ])
      it(`an answer with ${name} is the answer that it is`, async () => {
        await using rig = await Rig.start({
          engine,
          scripts: [
            {
              onRequest: ({ socket }) => void answerCut(socket, bytes),
            },
          ],
        });
        const client = await rig.client();
        for (let i = 0; i < 2; i++) {
          client.send(head("GET / HTTP/1.1"));
          let answer = await client.answer();
          if (answer.status === 103) answer = await client.answer();
          expect([answer.body, answer.trailers]).toEqual(["hello", trailers]);
        }
        expect(rig.backend.sockets).toHaveLength(1);
      });
  });
}
