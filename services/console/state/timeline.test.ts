import { describe, expect, it } from "vitest";
import { Timeline } from "./timeline.ts";

const event = (type: string, data: Record<string, unknown>) => ({ id: 1, at: "2026-01-01T00:00:00.000Z", type, data });

describe("the time line", () => {
  it.each([
    {
      type: "endpoint_down",
      data: { pool: "api", name: "api-1", detail: "status 503", reason: "UNHEALTHY" },
      level: "bad",
      text: "pool api · api-1 · status 503",
    },
    {
      type: "endpoint_up",
      data: { pool: "api", endpoint: "127.0.0.1:1" },
      level: "good",
      text: "pool api · 127.0.0.1:1",
    },
    { type: "server_slow", data: { server: "api-1", delayMs: 500 }, level: "note", text: "server api-1 · delayMs 500" },
  ])("tells of $type as $level: $text", ({ type, data, level, text }) => {
    const timeline = new Timeline();
    timeline.addFromNode("l4-1", event(type, data));
    expect(timeline.since(0)).toMatchObject([{ id: 1, node: "l4-1", level, text }]);
  });

  it("gives what came after an id, and forgets the oldest", () => {
    const timeline = new Timeline();
    for (let i = 0; i < 2_100; i++) timeline.addFromNode("n", event("x", { i }));
    expect(timeline.since(2_098).map(({ id }) => id)).toEqual([2_099, 2_100]);
    expect(timeline.since(0)).toHaveLength(2_000);
  });

  it("tells listeners until they stop", () => {
    const timeline = new Timeline();
    const heard: number[] = [];
    const stop = timeline.subscribe(({ id }) => heard.push(id));
    timeline.addFromNode("n", event("x", {}));
    stop();
    timeline.addFromNode("n", event("x", {}));
    expect(heard).toEqual([1]);
  });
});
