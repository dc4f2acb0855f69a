import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { Histogram } from "./histogram.ts";

const bucketRatio = 2 ** (1 / 16);

describe("a histogram of times", () => {
  it("tells nothing before anything was added", () => {
    const empty = new Histogram();
    expect([empty.count, empty.meanMs, empty.slowestMs, empty.quantileMs(0.5), empty.quantileMs(0.99)]).toEqual([
      0, 0, 0, 0, 0,
    ]);
  });

  it("tells quantiles of any values within one bucket, never too low and never above the slowest", () => {
    const random = seededRandom(7);
    const values = Array.from({ length: 5_000 }, () => 0.05 * 2 ** (random() * 16)).toSorted((a, b) => a - b);
    const histogram = new Histogram();
    for (const value of values) histogram.add(value);
    for (const share of [0.01, 0.5, 0.9, 0.99, 1]) {
      const exact = values[Math.ceil(share * values.length) - 1] ?? 0;
      expect(histogram.quantileMs(share)).toBeGreaterThanOrEqual(exact * 0.999_999);
      expect(histogram.quantileMs(share)).toBeLessThanOrEqual(exact * bucketRatio);
    }
    expect(histogram.quantileMs(1)).toBe(values.at(-1));
    expect(histogram.meanMs).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6);
  });

  it("keeps what is shorter or longer than its buckets in the outer ones", () => {
    const histogram = new Histogram();
    histogram.add(0);
    histogram.add(1e9);
    expect(histogram.quantileMs(0.5)).toBe(0.01);
    expect([histogram.count, histogram.slowestMs]).toEqual([2, 1e9]);
    expect(histogram.quantileMs(1)).toBeGreaterThan(40_000);
  });
});
