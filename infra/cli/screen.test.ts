import { describe, expect, it } from "vitest";
import { frameOf } from "./screen.ts";

const [home, rest, below] = ["\u001b[H", "\u001b[K", "\u001b[J"];

describe("a frame", () => {
  it.each([
    { name: "overwrites line by line", text: "a\nb\n", rows: 5, shown: `a${rest}\r\nb${rest}` },
    { name: "says how much does not fit", text: "a\nb\nc\n", rows: 2, shown: `a${rest}\r\n... 2 mo\u001b[0m${rest}` },
    { name: "fits exactly", text: "a\nb", rows: 2, shown: `a${rest}\r\nb${rest}` },
    { name: "cuts lines at the width", text: "123456789", rows: 5, shown: `12345678\u001b[0m${rest}` },
    {
      name: "counts no colours",
      text: "\u001b[31m1234\u001b[39m5678",
      rows: 5,
      shown: `\u001b[31m1234\u001b[39m5678${rest}`,
    },
  ])("$name", ({ text, rows, shown }) => {
    expect(frameOf(text, rows, 8)).toBe(home + shown + below);
  });
});
