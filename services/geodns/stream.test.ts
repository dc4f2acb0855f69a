import net from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { systemClock } from "#shared/core/clock.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { ConnectionTable } from "./connections.ts";
import { MessageReader, answersPerTurnMax, serveStream } from "./stream.ts";
import type { AnswerMessage } from "./stream.ts";

/** What the reader makes of chunks, and how much it holds in the end. */
function read(chunks: readonly Uint8Array[]) {
  const reader = new MessageReader();
  const messages: string[] = [];
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk));
    for (let message = reader.next(); message; message = reader.next()) messages.push(message.toString("hex"));
  }
  return { messages, held: reader.length };
}

function framed(message: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 0xff), message]);
}

describe("messages of a stream", () => {
  it.each([
    { name: "several in one chunk", chunks: [[0, 1, 7, 0, 2, 8, 9]], messages: ["07", "0809"], held: 0 },
    { name: "one over several chunks", chunks: [[0], [2], [8], [9]], messages: ["0809"], held: 0 },
    { name: "an empty one", chunks: [[0, 0, 0, 1, 5]], messages: ["", "05"], held: 0 },
    { name: "a cut one", chunks: [[0, 1, 7, 0, 9, 1]], messages: ["07"], held: 3 },
    { name: "half a length", chunks: [[0]], messages: [], held: 1 },
  ])("$name", ({ chunks, messages, held }) => {
    expect(read(chunks.map((chunk) => Uint8Array.from(chunk)))).toEqual({ messages, held });
  });

  it("come whole, wherever the stream is cut", () => {
    const message = fc.uint8Array({ maxLength: 3_000 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 2_500 })), (sent, sizes) => {
        const stream = Buffer.concat(sent.map(framed));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < stream.length; i++) {
          const size = sizes[i % Math.max(1, sizes.length)] ?? 1;
          chunks.push(stream.subarray(at, at + size));
          at += size;
        }
        expect(read(chunks)).toEqual({ messages: sent.map((one) => Buffer.from(one).toString("hex")), held: 0 });
      }),
    );
  });
});

describe("a client that writes thousands of queries at once", () => {
  it("gets some answers in each turn of the loop, so that others get theirs in between, and all in the end", async () => {
    const queries = 2_000;
    const connections = new ConnectionTable({
      limits: { connectionsMax: 2, perClientMax: 2, idleMs: 60_000, queriesMax: undefined },
      clock: systemClock,
    });
    let [inTurn, mostInTurn] = [0, 0];
    const answer: AnswerMessage = (_query, _client, _transport, out) => {
      mostInTurn = Math.max(mostInTurn, ++inTurn);
      out.fill(7, 0, 1_000);
      return 1_000;
    };
    await using listener = await listenTcp({
      address: "127.0.0.1:0",
      allowHalfOpen: true,
      onConnection: (socket) => serveStream(socket, connections.add(socket)!, "tcp", answer),
    });
    const { host, port } = parseSocketAddress(listener.address)!;
    const client = net.connect({ host, port });
    client.end(Buffer.concat(Array<Buffer>(queries).fill(framed(Buffer.of(1)))));
    let isOver = false;
    const newTurn = () => {
      inTurn = 0;
      if (!isOver) setImmediate(newTurn);
    };
    newTurn();
    let bytes = 0;
    for await (const chunk of client) bytes += (chunk as Buffer).length;
    isOver = true;
    connections.close();
    expect(bytes).toBe(queries * 1_002);
    expect(mostInTurn).toBeLessThanOrEqual(2 * answersPerTurnMax); // as data comes, and once more at the end of the turn
  });
});
