import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FrameParser, encodeFrame } from "./websocket.ts";
import type { Frame } from "./websocket.ts";

/** A frame as a client sends it. */
function masked(frame: Frame, mask = Buffer.from([1, 2, 3, 4])): Buffer {
  const plain = encodeFrame(frame);
  const head = plain.subarray(0, plain.length - frame.payload.length);
  head[1] = (head[1] ?? 0) | 0x80;
  return Buffer.concat([head, mask, frame.payload.map((byte, i) => byte ^ (mask[i & 3] ?? 0))]);
}

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.constantFrom(125, 126, 65_535, 65_536).map((length) => new Uint8Array(length).fill(7)),
);
const frames = fc.record({
  final: fc.boolean(),
  opcode: fc.constantFrom(0, 1, 2),
  payload: payload.map((bytes) => Buffer.from(bytes)),
});

describe("frames", () => {
  it("are read as they were sent, however they were cut", () => {
    fc.assert(
      fc.property(
        fc.array(frames, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 50_000 }),
        (sent, size) => {
          const bytes = Buffer.concat(sent.map((frame) => masked(frame)));
          const parser = new FrameParser();
          const got: Frame[] = [];
          for (let from = 0; from < bytes.length; from += size) {
            parser.push(bytes.subarray(from, from + size));
            for (let frame = parser.next(); frame; frame = parser.next()) got.push(frame);
          }
          expect(got).toEqual(sent);
        },
      ),
      { numRuns: 50 },
    );
  });

  it.each([
    { name: "an unmasked frame", bytes: [0x81, 0x01], code: 1_002 },
    { name: "a reserved bit", bytes: [0xc1, 0x80], code: 1_002 },
    { name: "a reserved opcode", bytes: [0x83, 0x80], code: 1_002 },
    { name: "a fragmented ping", bytes: [0x09, 0x80], code: 1_002 },
    { name: "a ping over 125 bytes", bytes: [0x89, 0xfe], code: 1_002 },
    { name: "a frame over 1 MiB", bytes: [0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1], code: 1_009 },
    { name: "a length of 2^63", bytes: [0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], code: 1_009 },
  ])("refuse $name", ({ bytes, code }) => {
    const parser = new FrameParser();
    parser.push(Buffer.from(bytes));
    expect(() => parser.next()).toThrow(expect.objectContaining({ code }));
  });
});
