import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BodyReader } from "./body-reader.ts";

/** Reads pieces one after the other. */
function readAll(reader: BodyReader, pieces: readonly Buffer[]): { body: Buffer; left: Buffer; fault: string } {
  const into: Buffer[] = [];
  const left: Buffer[] = [];
  for (const piece of pieces) {
    const after = reader.read(piece, 0, piece.length, into);
    if (after < 0) return { body: Buffer.concat(into), left: Buffer.concat(left), fault: reader.fault };
    left.push(piece.subarray(after));
  }
  return { body: Buffer.concat(into), left: Buffer.concat(left), fault: "" };
}

function cut(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return [...pieces, bytes.subarray(at)].filter((piece) => piece.length > 0);
}

const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 60 });
const rest = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes));

describe("a body", () => {
  it("of a length ends there, however it is cut, and what is behind it stays", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), rest, cuts, (bytes, behind, lengths) => {
        const reader = new BodyReader();
        reader.begin({ kind: "length", bytes: bytes.length });
        const read = readAll(reader, cut(Buffer.concat([bytes, behind]), lengths));
        expect([read.body, read.left, reader.isWhole]).toEqual([Buffer.from(bytes), behind, true]);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("in chunks ends at the last one, however it is cut, and what is behind it stays", () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 8 });
    const trailers = fc.array(fc.tuple(fc.constantFrom("X-A", "x-b"), fc.constantFrom("", "1", "a b")), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(
        chunks,
        trailers,
        rest,
        cuts,
        fc.constantFrom("", ";a", ';b="c;d"'),
        (parts, lines, behind, lengths, extension) => {
          const framed = [
            ...parts.flatMap((part) => [`${part.length.toString(16)}${extension}\r\n`, part, "\r\n"]),
            `0\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`,
          ].map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part)));
          const reader = new BodyReader();
          reader.begin({ kind: "chunked" });
          const read = readAll(reader, cut(Buffer.concat([...framed, behind]), lengths));
          expect([read.body, read.left, reader.isWhole]).toEqual([Buffer.concat(parts), behind, true]);
          expect(reader.trailers).toEqual(lines.flat());
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  for (const [name, text] of [
    ["a size that is none", "zz\r\n"],
    ["a size with a sign", "+1\r\nx\r\n"],
    ["a size of more than 64 bits", "10000000000000000\r\n"],
    ["a size that no double holds", "20000000000000\r\n"],
    ["a bare LF behind a size", "1\nx\r\n"],
    ["a chunk longer than its size", "1\r\nxx\r\n"],
    ["an extension without a name", "1;\r\nx\r\n"],
    ["extensions without end", `1;${"a".repeat(5_000)}\r\n`],
    ["a folded trailer", "0\r\nX: 1\r\n 2\r\n\r\n"],
    ["trailers without end", `0\r\n${"X: 1\r\n".repeat(100)}\r\n`],
    ["a length in its trailers", "0\r\ncontent-length: 1\r\n\r\n"],
  ] as const)
    it(`in chunks with ${name} is refused, however it is cut`, () => {
      const bytes = Buffer.from(text);
      for (const lengths of [[], Array<number>(bytes.length).fill(1)]) {
        const reader = new BodyReader();
        reader.begin({ kind: "chunked" });
        expect(readAll(reader, cut(bytes, lengths)).fault).not.toBe("");
      }
    });
});
