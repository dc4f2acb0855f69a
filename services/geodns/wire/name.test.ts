import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatName, parentOf, parseName, readName, skipName } from "./name.ts";

const header = Buffer.alloc(12);
const message = (...parts: readonly (string | number)[]) =>
  Buffer.concat([
    header,
    ...parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part, "latin1"))),
  ]);

describe("reading a name", () => {
  it.each([
    { name: "the root", bytes: message(0), offset: 12, text: ".", end: 13 },
    { name: "letters are lowered", bytes: message(3, "WwW", 4, "TeSt", 0), offset: 12, text: "www.test.", end: 22 },
    { name: "other bytes are kept", bytes: message(3, "\xc0.\x00", 0), offset: 12, text: "\\192\\.\\000.", end: 17 },
    { name: "a pointer back", bytes: message(4, "test", 0, 1, "a", 0xc0, 12), offset: 18, text: "a.test.", end: 22 },
    { name: "a pointer to a pointer", bytes: message(1, "a", 0, 0xc0, 12, 0xc0, 15), offset: 17, text: "a.", end: 19 },
  ])("$name", ({ bytes, offset, text, end }) => {
    const read = readName(bytes, offset)!;
    expect(formatName(read.name)).toBe(text);
    expect(read.end).toBe(end);
  });

  it.each([
    { name: "cut in a label", bytes: message(3, "ww"), offset: 12 },
    { name: "cut before the root", bytes: message(3, "www"), offset: 12 },
    { name: "nothing there", bytes: message(), offset: 12 },
    { name: "a pointer forwards", bytes: message(0xc0, 14, 0), offset: 12 },
    { name: "a pointer to itself", bytes: message(0xc0, 12), offset: 12 },
    { name: "pointers in a loop", bytes: message(1, "a", 0xc0, 12), offset: 12 },
    { name: "a pointer into the header", bytes: message(0xc0, 4), offset: 12 },
    { name: "half a pointer", bytes: message(0, 0xc0), offset: 13 },
    { name: "a label of type 01", bytes: message(0x41, "a".repeat(65), 0), offset: 12 },
    { name: "a label of type 10", bytes: message(0x80, 0), offset: 12 },
    {
      name: "256 bytes",
      bytes: message(...Array.from({ length: 3 }, () => ["\x3f", "a".repeat(63)]).flat(), 0x3f, "a".repeat(63), 0),
      offset: 12,
    },
  ])("refuses: $name", ({ bytes, offset }) => {
    expect(readName(bytes, offset)).toBeUndefined();
  });

  it("takes the longest name there can be: 255 bytes with the root", () => {
    const labels = [63, 63, 63, 61].flatMap((length) => [length, "a".repeat(length)]);
    expect(readName(message(...labels, 0), 12)?.name).toHaveLength(254);
  });

  it("never throws, and ends within the message", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(320), (bytes, offset) => {
        const read = readName(bytes, offset);
        if (!read) return;
        expect(read.end).toBeLessThanOrEqual(bytes.length);
        expect(read.name.length).toBeLessThan(255);
      }),
    );
  });
});

describe("names that people write", () => {
  const origin = parseName("stream.test", "")!;
  it.each([
    { text: "www", name: "www.stream.test." },
    { text: "www.", name: "www." },
    { text: "@", name: "stream.test." },
    { text: ".", name: "." },
    { text: "A.b", name: "a.b.stream.test." },
    { text: "*.img", name: "*.img.stream.test." },
    { text: "_sip._tcp", name: "_sip._tcp.stream.test." },
  ])("$text is $name", ({ text, name }) => {
    expect(formatName(parseName(text, origin)!)).toBe(name);
  });

  it.each(["", "..", "a..b", ".a", "a".repeat(64), "a b", "a\\.b", "ä", `${"a.".repeat(130)}a`])(
    "%j is none",
    (text) => {
      expect(parseName(text, origin)).toBeUndefined();
    },
  );

  it("the parent of a name lacks its first label", () => {
    const name = (text: string) => parseName(text, "")!;
    expect(parentOf(name("a.b"))).toBe(name("b"));
    expect(parentOf("")).toBe("");
  });
});

describe("names that only have to be passed over", () => {
  it("end behind their pointer, which is not followed", () => {
    const loop = message(0xc0, 14, 0xc0, 12, 0xc0, 12);
    expect(skipName(loop, 16)).toBe(18);
    expect(skipName(message(1, "a", 0), 12)).toBe(15);
  });

  for (const { name, bytes } of [
    { name: "a pointer forwards", bytes: message(0xc0, 14, 0) },
    { name: "a pointer into the header", bytes: message(0xc0, 4) },
    { name: "half a pointer", bytes: message(0xc0) },
    { name: "a reserved label type", bytes: message(0x80, 1) },
    { name: "a cut label", bytes: message(5, "a") },
    { name: "no end", bytes: message(1, "a") },
  ])
    it(`${name} is refused`, () => expect(skipName(bytes, 12)).toBeUndefined());

  it("a chain of more pointers than a name has labels is refused, however long it is", () => {
    const root = 12;
    const pointerAt = (i: number) => root + 1 + 2 * i;
    const chain = Array.from({ length: 128 }, (_, i) => (i === 0 ? root : pointerAt(i - 1)));
    const bytes = message(0, ...chain.flatMap((target) => [0xc0 | (target >> 8), target & 0xff]));
    expect(readName(bytes, pointerAt(126))).toEqual({ name: "", end: pointerAt(127) });
    expect(readName(bytes, pointerAt(127))).toBeUndefined();
  });
});
