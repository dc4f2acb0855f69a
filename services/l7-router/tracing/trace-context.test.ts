import { describe, expect, it } from "vitest";
import { beginTrace, traceparentOf, withTraceparent } from "./trace-context.ts";

const traceId = "ab".repeat(16);
const parentId = "cd".repeat(8);
const hex = (bytes: number) => "1".repeat(bytes * 2);

describe("a trace", () => {
  it.each([
    { flags: "01", isSampled: true },
    { flags: "00", isSampled: false },
    { flags: "03", isSampled: true },
    { flags: "02", isSampled: false },
    { flags: "ff", isSampled: true },
  ])("goes on as the caller says: flags $flags", ({ flags, isSampled }) => {
    const trace = beginTrace(`00-${traceId}-${parentId}-${flags}`, () => !isSampled, hex);
    expect(trace).toEqual({ traceId, parentId, spanId: hex(8), isSampled });
  });

  it("of a later version goes on too", () => {
    const trace = beginTrace(`cc-${traceId}-${parentId}-01-more`, () => false, hex);
    expect(trace).toMatchObject({ traceId, parentId, isSampled: true });
  });

  it.each([true, false])("that begins here is sampled as drawn: %s", (isDrawn) => {
    const trace = beginTrace(undefined, () => isDrawn, hex);
    expect(trace).toEqual({ traceId: hex(16), spanId: hex(8), parentId: undefined, isSampled: isDrawn });
    expect(traceparentOf(trace, parentId)).toBe(`00-${hex(16)}-${parentId}-${isDrawn ? "01" : "00"}`);
  });
});

describe("the traceparent of a try", () => {
  const request = { method: "GET", target: "/", framing: { kind: "none" }, upgrade: false } as const;

  it("takes the place of the one that is there, and only there", () => {
    const headers = ["Host", "traceparent", "traceparent", "old", "X", "traceparent"];
    const sent = withTraceparent({ ...request, headers }, "new");
    expect(sent.headers).toEqual(["Host", "traceparent", "traceparent", "new", "X", "traceparent"]);
    expect(headers[3]).toBe("old");
  });

  it("is not added where a route has taken it away", () => {
    const bare = { ...request, headers: ["Host", "a"] };
    expect(withTraceparent(bare, "new")).toBe(bare);
  });
});
