import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageReader } from "./stream.ts";

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
