import { describe, expect, it } from "vitest";
import { afterEjection, afterFailure, afterSuccess, canSpare, noOutlier } from "./outlier.ts";
import type { OutlierState } from "./outlier.ts";

const rules = {
  consecutiveFailures: 3,
  ejectForMs: 1_000,
  maxEjectedPercent: 50,
  windowMs: 10_000,
  requestsMin: 20,
};

function failing(times: number, state: OutlierState = noOutlier, nowMs = 0, mayEject = true): OutlierState {
  for (let i = 0; i < times; i++) state = afterFailure(state, nowMs, rules, () => mayEject);
  return state;
}

describe("outlier", () => {
  it("ejects after so many failures in a row, not before", () => {
    expect(failing(2).ejectedUntilMs).toBeUndefined();
    expect(failing(3).ejectedUntilMs).toBe(1_000);
  });

  it("begins to count anew after a success", () => {
    expect(failing(2, afterSuccess(failing(2))).ejectedUntilMs).toBeUndefined();
  });

  it("ejects at the next failure once the pool can spare it", () => {
    const spared = failing(10, noOutlier, 0, false);
    expect(spared.ejectedUntilMs).toBeUndefined();
    expect(failing(1, spared, 50).ejectedUntilMs).toBe(1_050);
  });

  it("lasts longer with every ejection in a row, ten times as long at most", () => {
    let state = noOutlier;
    let nowMs = 0;
    const lasted: number[] = [];
    for (let i = 0; i < 12; i++) {
      state = failing(3, state, nowMs);
      const untilMs = state.ejectedUntilMs ?? 0;
      lasted.push(untilMs - nowMs);
      nowMs = untilMs;
      state = afterEjection(state, nowMs);
    }
    expect(lasted.map((ms) => ms / 1_000)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
  });

  it("forgets the row once it did well for as long as it was out", () => {
    const returned = afterEjection(failing(3), 1_000);
    expect(failing(3, returned, 2_000).ejectedUntilMs).toBe(4_000);
    expect(failing(3, returned, 2_001).ejectedUntilMs).toBe(3_001);
  });

  it.each([
    { ejected: 0, total: 1, spares: false },
    { ejected: 0, total: 2, spares: true },
    { ejected: 1, total: 2, spares: false },
    { ejected: 1, total: 3, spares: false },
    { ejected: 1, total: 4, spares: true },
    { ejected: 4, total: 10, spares: true },
    { ejected: 5, total: 10, spares: false },
  ])("with $ejected of $total out and a cap of 50 %, spares one more: $spares", ({ ejected, total, spares }) => {
    expect(canSpare(ejected, total, rules)).toBe(spares);
  });
});
