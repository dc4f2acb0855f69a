import { describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { cutAfterMsOf } from "./admin-drain.ts";

describe("the work of an endpoint that drains", () => {
  it.each([
    { body: "", query: "", ms: undefined },
    { body: '{"onDrain":"keep"}', query: "", ms: undefined },
    { body: '{"onDrain":"reset"}', query: "", ms: 0 },
    { body: '{"onDrain":{"finishWithin":"30s"}}', query: "", ms: 30_000 },
    { body: "", query: "onDrain=reset", ms: 0 },
    { body: "", query: "finishWithin=500ms", ms: 500 },
  ])("$body$query: cut after $ms", ({ body, query, ms }) =>
    expect(cutAfterMsOf(body, new URLSearchParams(query))).toBe(ms),
  );

  it.each(["now", "null", '"reset"', "{}", '{"onDrain":{"finishWithin":30}}', '{"onDrain":"later"}'])(
    "%s is none",
    (body) => expect(() => cutAfterMsOf(body, new URLSearchParams())).toThrow(UsageError),
  );
});
