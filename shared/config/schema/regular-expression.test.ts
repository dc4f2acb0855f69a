import { describe, expect, it } from "vitest";
import { nestsRepetition } from "./regular-expression.ts";

describe("a repetition inside a repetition", () => {
  for (const text of ["/(a+)+", "/(?:x[0-9]*y)*", "/((a{2,})b)+", "/(?<name>a*)*", "/(a(b+)){1,9}", "^(([a-z])+.)+$"])
    it(`is found in ${text}`, () => expect(nestsRepetition(text)).toBe(true));

  for (const text of [
    "/films/[0-9]+",
    "/(a|b)+/[c+]*",
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
