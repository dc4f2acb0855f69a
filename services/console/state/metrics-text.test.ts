import { describe, expect, it } from "vitest";
import { quantileOf, readMetrics } from "./metrics-text.ts";

describe("the text of metrics", () => {
  it("keeps the names asked for, with their labels", () => {
    const text = [
      "# HELP a_total things",
      'a_total{pool="web",path="a\\"b\\\\c"} 3',
      "b_total 4",
      "a_total{} 5",
      "a_total{ rubbish",
      "a_totals 6",
    ].join("\n");
    expect(readMetrics(text, new Set(["a_total"]))).toEqual([
      { name: "a_total", labels: { pool: "web", path: 'a"b\\c' }, value: 3 },
      { name: "a_total", labels: {}, value: 5 },
    ]);
  });
});

describe("a quantile of what came meanwhile", () => {
  const inf = Number.POSITIVE_INFINITY;
  const before = new Map([
    [0.01, 10],
    [0.1, 10],
    [inf, 10],
  ]);
  it.each([
    { it: "nothing came", now: before, share: 0.5, gives: undefined },
    {
      it: "all in the first bucket",
      now: new Map([
        [0.01, 20],
        [0.1, 20],
        [inf, 20],
      ]),
      share: 0.5,
      gives: 0.005,
    },
    {
      it: "half in the second",
      now: new Map([
        [0.01, 15],
        [0.1, 20],
        [inf, 20],
      ]),
      share: 0.75,
      gives: 0.055,
    },
    {
      it: "beyond the last bound",
      now: new Map([
        [0.01, 10],
        [0.1, 10],
        [inf, 20],
      ]),
      share: 0.5,
      gives: 0.1,
    },
    {
      it: "a node that began anew",
      now: new Map([
        [0.01, 4],
        [0.1, 4],
        [inf, 4],
      ]),
      share: 0.5,
      gives: undefined,
    },
  ])("$it", ({ now, share, gives }) => {
    const quantile = quantileOf(before, now, share);
    if (gives === undefined) expect(quantile).toBeUndefined();
    else expect(quantile).toBeCloseTo(gives, 6);
  });
});
