import { describe, expect, it } from "vitest";
import { SseReader } from "./sse-reader.ts";

describe("a reader of server-sent events", () => {
  const text = ": hello\n\nid: a/1\nevent: events\ndata: [1,\ndata: 2]\n\ndata: x\n\n";
  const events = [
    { id: "a/1", event: "events", data: "[1,\n2]" },
    { id: "", event: "message", data: "x" },
  ];

  it("gives the same however the stream is cut", () => {
    for (let cut = 0; cut <= text.length; cut++) {
      const reader = new SseReader();
      expect([...reader.push(text.slice(0, cut)), ...reader.push(text.slice(cut))]).toEqual(events);
    }
  });

  it("drops an event without end", () => {
    const reader = new SseReader(100);
    reader.push(`data: ${"x".repeat(200)}`);
    expect(reader.push("data: y\n\n").map(({ data }) => data)).toEqual(["y"]);
  });
});
