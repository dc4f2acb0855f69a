import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { AnswerTimes } from "./answer-times.ts";
import { Hedging, notHedged } from "./hedging.ts";

describe("percentiles of answer times", () => {
  it.each([
    { percentile: 50, exactMs: 500 },
    { percentile: 95, exactMs: 950 },
    { percentile: 99, exactMs: 990 },
  ])("p$percentile of 1 to 1,000 ms is told at most 9 % too long", ({ percentile, exactMs }) => {
    const times = new AnswerTimes();
    for (let ms = 1; ms <= 1_000; ms++) times.observe(ms);
    const toldMs = times.percentileMs(percentile) ?? 0;
    expect(toldMs).toBeGreaterThanOrEqual(exactMs);
    expect(toldMs).toBeLessThan(exactMs * 1.1);
  });

  it("nothing is told of fewer than a hundred", () => {
    const times = new AnswerTimes();
    for (let i = 0; i < 99; i++) times.observe(10);
    expect(times.percentileMs(95)).toBeUndefined();
    times.observe(10);
    expect(times.percentileMs(95)).toBeCloseTo(10, -1);
  });

  it("times that came later count more: 4,000 of them hide what was before", () => {
    const times = new AnswerTimes();
    for (let i = 0; i < 10_000; i++) times.observe(1_000);
    for (let i = 0; i < 4_000; i++) times.observe(5);
    expect(times.percentileMs(50)).toBeLessThan(6);
  });

  it("times out of all bounds are taken for the shortest and the longest", () => {
    const times = new AnswerTimes();
    const random = seededRandom(1);
    for (let i = 0; i < 500; i++) times.observe(random() < 0.5 ? 0 : 1e9);
    expect(times.percentileMs(1)).toBe(0.1);
    expect(times.percentileMs(99)).toBeGreaterThan(90_000);
  });
});

describe("when a second try begins", () => {
  it("after the time that the config says", () => {
    expect(new Hedging({ after: { ms: 50 } }).afterMs()).toBe(50);
  });

  it("by a percentile: not before enough is known, then after whole milliseconds, at least one", () => {
    const hedging = new Hedging({ after: { percentile: 95 } });
    expect(hedging.afterMs()).toBeUndefined();
    for (let i = 0; i < 200; i++) hedging.observe(0.2);
    expect(hedging.afterMs()).toBe(1);
    for (let i = 0; i < 200; i++) hedging.observe(40);
    expect(hedging.afterMs()).toBe(43);
  });

  it("a reload from one percentile to another keeps what is known", () => {
    const hedging = new Hedging({ after: { percentile: 50 } });
    for (let i = 1; i <= 200; i++) hedging.observe(i);
    hedging.update({ after: { percentile: 99 } });
    expect(hedging.afterMs()).toBeGreaterThan(180);
  });

  it.each([
    { method: "GET", says: undefined },
    { method: "HEAD", says: undefined },
    { method: "POST", says: "POST is not safe" },
    { method: "PUT", says: "PUT is not safe" },
  ])("$method: $says", ({ method, says }) => {
    expect(notHedged({ method, framing: { kind: "none" }, upgrade: false })).toBe(says);
  });

  it("neither with a body nor when protocols may be switched", () => {
    expect(notHedged({ method: "GET", framing: { kind: "chunked" }, upgrade: false })).toBe("it has a body");
    expect(notHedged({ method: "GET", framing: { kind: "none" }, upgrade: true })).toBe("it asks to switch protocols");
  });
});
