import { describe, expect, it } from "vitest";
import { formatName, parentOf, parseName, skipName } from "./name.ts";

const header = Buffer.alloc(12);
const message = (...parts: readonly (string | number)[]) =>
  Buffer.concat([
    header,
    ...parts.map((part) => (typeof part === "number" ? Buffer.of(part) : Buffer.from(part, "latin1"))),
  ]);

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
    { text: "a\\.b", name: "a\\.b.stream.test." },
    { text: "\\065\\000\\255.", name: "a\\000\\255." },
    { text: 'a\\"\\@\\;b.', name: 'a\\"\\@\\;b.' },
    { text: "a\\.", name: "a\\..stream.test." },
  ])("$text is $name", ({ text, name }) => {
    expect(formatName(parseName(text, origin)!)).toBe(name);
  });

  it.each([
    "",
    "..",
    "a..b",
    ".a",
    "a".repeat(64),
    "a b",
    "a\\",
    "a\\12",
    "a\\256",
    "ä",
    "a\\ä",
    `${"a.".repeat(130)}a`,
  ])("%j is none", (text) => {
    expect(parseName(text, origin)).toBeUndefined();
  });

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
    it(`${name} is refused`, () => expect(skipName(bytes, 12)).toBe(-1));
});
