import { describe, expect, it } from "vitest";
import { isPreface } from "./preface.ts";

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

describe("the preface of HTTP/2", () => {
  it.each([
    ["", "more"],
    ["P", "more"],
    ["PRI * HTTP/2.0\r\n\r\n", "more"],
    [preface, "yes"],
    [`${preface}\0\0\0`, "yes"],
    ["G", "no"],
    ["PUT / HTTP/1.1\r\n", "no"],
    ["PRI * HTTP/2.0\r\nHost: a\r\n\r\n", "no"],
    ["PRI * HTTP/2.0\r\n\r\nsm\r\n\r\n", "no"],
  ] as const)("%j: %s", (bytes, found) => {
    expect(isPreface(Buffer.from(bytes, "latin1"))).toBe(found);
  });
});
