import { describe, expect, it } from "vitest";
import { nestsRepetition, openRepetitions } from "./regular-expression.ts";

describe("a repetition inside a repetition", () => {
  for (const text of [
    "/(a+)+",
    "/(?:x[0-9]*y)*",
    "/((a{2,})b)+",
    "/(?<name>a*)*",
    "/(a(b+)){1,9}",
    "^(([a-z])+.)+$",
    "/(a|a)+",
    "/(?:a|b|ab)*c",
  ])
    it(`is found in ${text}`, () => expect(nestsRepetition(text)).toBe(true));

  for (const text of [
    "/films/[0-9]+",
    "/(a|b)/[c+]*",
    "/(x)?(y+)",
    "/a+/b+",
    "/(\\(a+\\))",
    "/(\\d+)/(\\w+)\\.(?:png|jpg)",
    "/(?:v[0-9]/)?x+",
    "/(ab){3}c+",
    "/(a+){3}",
  ])
    it(`is not seen in ${text}`, () => expect(nestsRepetition(text)).toBe(false));
});

describe("repetitions without an upper bound", () => {
  it.each([
    { text: "/a{1,3}b?[*+]\\*", count: 0 },
    { text: "/.*x[a-z]+/y{2,}", count: 3 },
  ])("$text has $count", ({ text, count }) => expect(openRepetitions(text)).toBe(count));
});
