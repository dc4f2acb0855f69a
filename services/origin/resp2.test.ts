import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CommandParser,
  ReplyParser,
  argumentsMax,
  array,
  bulk,
  bulkBytesMax,
  encodeCommand,
  encodeReply,
  errorReply,
  integer,
  nullBulk,
  ok,
} from "./resp2.ts";
import type { Next, Reply } from "./resp2.ts";

interface Parser<Value> {
  push(chunk: Uint8Array): void;
  next(): Next<Value>;
}

/** Everything that a parser reads out of these pieces, until it is lost. */
function readAll<Value>(parser: Parser<Value>, pieces: readonly Uint8Array[]): { values: Value[]; why?: string } {
  const values: Value[] = [];
  for (const piece of pieces) {
    parser.push(piece);
    for (let next = parser.next(); next.state !== "more"; next = parser.next()) {
      if (next.state === "invalid") return { values, why: next.why };
      values.push(next.value);
    }
  }
  return { values };
}

const commandsOf = (...pieces: readonly string[]) => {
  const { values, why } = readAll(
    new CommandParser(),
    pieces.map((piece) => Buffer.from(piece)),
  );
  return { commands: values.map((words) => words.map(String)), ...(why === undefined ? {} : { why }) };
};

describe("commands", () => {
  it.each([
    { name: "an array of bulks", bytes: "*2\r\n$3\r\nGET\r\n$6\r\nfilm:7\r\n", commands: [["GET", "film:7"]] },
    { name: "two in one piece", bytes: "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n", commands: [["PING"], ["QUIT"]] },
    { name: "an inline command", bytes: "GET  film:7\r\n", commands: [["GET", "film:7"]] },
    { name: "an inline command of a bare line feed", bytes: "PING\n", commands: [["PING"]] },
    {
      name: "empty lines and empty arrays, which are skipped",
      bytes: "\r\n*0\r\n*-1\r\nPING\r\n",
      commands: [["PING"]],
    },
    { name: "an empty word", bytes: "*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", commands: [["ECHO", ""]] },
    { name: "line ends inside a word", bytes: "*2\r\n$4\r\nECHO\r\n$4\r\na\r\nb\r\n", commands: [["ECHO", "a\r\nb"]] },
    { name: "nothing while the rest is missing", bytes: "*2\r\n$3\r\nGET\r\n$6\r\nfil", commands: [] },
  ])("reads $name", ({ bytes, commands }) => {
    expect(commandsOf(bytes)).toEqual({ commands });
  });

  it.each([
    { name: "a word that is no bulk", bytes: "*1\r\n:1\r\n", why: "expected '$', got ':'" },
    { name: "a control byte for a type", bytes: "*1\r\n\u0001", why: "expected '$', got '\\x01'" },
    { name: "a negative word", bytes: "*1\r\n$-1\r\n", why: "invalid bulk length" },
    { name: "a word over the limit", bytes: `*1\r\n$${bulkBytesMax + 1}\r\n`, why: "invalid bulk length" },
    {
      name: "words that are too big together",
      bytes: `*5\r\n${`$${bulkBytesMax}\r\n${"x".repeat(bulkBytesMax)}\r\n`.repeat(4)}$1\r\n`,
      why: "too big command",
    },
    { name: "too many words", bytes: `*${argumentsMax + 1}\r\n`, why: "invalid multibulk length" },
    { name: "a count that is no number", bytes: "*1e3\r\n", why: "invalid multibulk length" },
    { name: "an endless line", bytes: "A".repeat(20_000), why: "too big inline request" },
    { name: "an endless count", bytes: `*${"1".repeat(20_000)}`, why: "too big inline request" },
    { name: "a word longer than it says", bytes: "*1\r\n$3\r\nPING\r\n", why: "expected CRLF after a bulk" },
  ])("refuses $name", ({ bytes, why }) => {
    expect(commandsOf(bytes)).toEqual({ commands: [], why });
  });

  it("reads what came before the broken command", () => {
    expect(commandsOf("PING\r\n*1\r\n!")).toEqual({ commands: [["PING"]], why: "expected '$', got '!'" });
  });

  it("reads a word of the largest size and as many words as may be", () => {
    const words = [...Array<string>(argumentsMax - 1).fill("k"), "x".repeat(bulkBytesMax)];
    expect(readAll(new CommandParser(), [encodeCommand(words)]).values[0]?.map(String)).toEqual(words);
  });
});

describe("replies", () => {
  it.each([
    { name: "a simple string", reply: ok, bytes: "+OK\r\n" },
    { name: "an error", reply: errorReply("ERR no"), bytes: "-ERR no\r\n" },
    { name: "an integer", reply: integer(-42), bytes: ":-42\r\n" },
    { name: "a bulk, its length in bytes", reply: bulk("Köln"), bytes: "$5\r\nKöln\r\n" },
    { name: "no bulk", reply: nullBulk, bytes: "$-1\r\n" },
    { name: "no array", reply: { kind: "array", items: null }, bytes: "*-1\r\n" },
    {
      name: "arrays in arrays",
      reply: array([array([]), array([ok, nullBulk])]),
      bytes: "*2\r\n*0\r\n*2\r\n+OK\r\n$-1\r\n",
    },
  ] as const satisfies readonly { name: string; reply: Reply; bytes: string }[])(
    "writes and reads $name",
    ({ reply, bytes }) => {
      expect(encodeReply(reply).toString()).toBe(bytes);
      expect(readAll(new ReplyParser(), [Buffer.from(bytes)])).toEqual({ values: [reply] });
    },
  );

  it("never lets text of an error become a reply of its own", () => {
    expect(encodeReply(errorReply("ERR bad\r\n+OK")).toString()).toBe("-ERR bad +OK\r\n");
  });

  it.each([
    { name: "an unknown type", bytes: "!3\r\n" },
    { name: "an integer that is none", bytes: ":1.5\r\n" },
    { name: "a bulk over the limit", bytes: `$${bulkBytesMax + 1}\r\n` },
    { name: "arrays nested too deep", bytes: "*1\r\n".repeat(5) },
  ])("refuses $name", ({ bytes }) => {
    expect(readAll(new ReplyParser(), [Buffer.from(bytes)]).why).toBeTypeOf("string");
  });
});

const word = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const replies: fc.Arbitrary<Reply> = fc.letrec<{ reply: Reply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constant(nullBulk),
    fc.integer().map(integer),
    fc.stringMatching(/^[ -~]{0,20}$/).map(errorReply),
    word.map(bulk),
    fc.array(tie("reply"), { maxLength: 4 }).map(array),
  ),
})).reply;

/** The bytes cut at these places, taken modulo the length. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places.map((place) => place % bytes.length)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

describe("however the bytes are cut", () => {
  it("reads the same commands, also byte by byte", () => {
    const commands = fc.array(fc.array(word, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(commands, fc.array(fc.nat()), (wanted, places) => {
        const bytes = Buffer.concat(wanted.map((words) => encodeReply(array(words.map((one) => bulk(one))))));
        expect(readAll(new CommandParser(), cut(bytes, places))).toEqual({ values: wanted });
        expect(
          readAll(
            new CommandParser(),
            [...bytes].map((byte) => Buffer.of(byte)),
          ),
        ).toEqual({ values: wanted });
      }),
    );
  });

  it("reads the same replies, also byte by byte", () => {
    fc.assert(
      fc.property(fc.array(replies, { minLength: 1, maxLength: 5 }), fc.array(fc.nat()), (wanted, places) => {
        const bytes = Buffer.concat(wanted.map(encodeReply));
        expect(readAll(new ReplyParser(), cut(bytes, places))).toEqual({ values: wanted });
        expect(
          readAll(
            new ReplyParser(),
            [...bytes].map((byte) => Buffer.of(byte)),
          ),
        ).toEqual({ values: wanted });
      }),
    );
  });

  it("reads random bytes as commands or refuses them, the same in one piece and byte by byte", () => {
    const noise = fc.array(fc.constantFrom(..."*$:-+129\r\nPIN \0\xff".split("")), { maxLength: 60 });
    fc.assert(
      fc.property(noise, (characters) => {
        const bytes = Buffer.from(characters.join(""), "latin1");
        const whole = readAll(new CommandParser(), [bytes]);
        expect(
          readAll(
            new CommandParser(),
            [...bytes].map((byte) => Buffer.of(byte)),
          ),
        ).toEqual(whole);
      }),
    );
  });
});
