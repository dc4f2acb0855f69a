import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PeakEwma } from "./peak-ewma.ts";

type Step = readonly [atMs: number, latencyMs: number];
const cases: readonly { name: string; steps: readonly Step[]; atMs: number; valueMs: number }[] = [
  { name: "is 0 while nothing was measured", steps: [], atMs: 5_000, valueMs: 0 },
  { name: "takes the first measurement whole", steps: [[1_000, 80]], atMs: 1_000, valueMs: 80 },
  {
    name: "rises to a peak at once",
    steps: [
      [0, 10],
      [1, 500],
    ],
    atMs: 1,
    valueMs: 500,
  },
  {
    name: "does not believe a quick answer right after a peak",
    steps: [
      [0, 500],
      [0, 1],
    ],
    atMs: 0,
    valueMs: 500,
  },
  { name: "has fallen to 1/e after the time constant", steps: [[0, 100]], atMs: 10_000, valueMs: 100 / Math.E },
  {
    name: "mixes old and new by age",
    steps: [
      [0, 100],
      [10_000, 10],
    ],
    atMs: 10_000,
    valueMs: 90 / Math.E + 10,
  },
  {
    name: "has forgotten a peak after ten time constants",
    steps: [
      [0, 1_000],
      [1e5, 10],
    ],
    atMs: 1e5,
    valueMs: 10.04,
  },
  { name: "is above 0 once anything was measured", steps: [[0, 0]], atMs: 0, valueMs: 0.001 },
  { name: "takes a moment before the last one for the last one", steps: [[1_000, 100]], atMs: 0, valueMs: 100 },
];

describe("peak EWMA", () => {
  it.each(cases)("$name", ({ steps, atMs, valueMs }) => {
    const ewma = new PeakEwma(10_000);
    for (const [stepMs, latencyMs] of steps) ewma.observe(latencyMs, stepMs);
    expect(ewma.valueMs(atMs)).toBeCloseTo(valueMs, 2);
  });

  it("decays with 10 s unless told otherwise", () => {
    const ewma = new PeakEwma();
    ewma.observe(100, 0);
    expect(ewma.valueMs(10_000)).toBeCloseTo(100 / Math.E);
  });

  it("stays between the last latency and the highest", () => {
    const latencies = fc.array(fc.record({ afterMs: fc.nat(60_000), latencyMs: fc.integer({ min: 1, max: 30_000 }) }));
    fc.assert(
      fc.property(latencies, (measurements) => {
        const ewma = new PeakEwma();
        let nowMs = 0;
        let highestMs = 0;
        for (const { afterMs, latencyMs } of measurements) {
          nowMs += afterMs;
          highestMs = Math.max(highestMs, latencyMs);
          ewma.observe(latencyMs, nowMs);
          expect(ewma.valueMs(nowMs)).toBeGreaterThanOrEqual(latencyMs);
          expect(ewma.valueMs(nowMs)).toBeLessThanOrEqual(highestMs + 1e-6);
        }
      }),
    );
  });
});
