import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { RetryBudget } from "./retry-budget.ts";

function withdrawals(budget: RetryBudget, tries: number): number {
  let granted = 0;
  for (let i = 0; i < tries; i++) if (budget.withdraw()) granted++;
  return granted;
}

describe("retry budget", () => {
  it("grants its share of the requests and a small reserve", () => {
    const budget = new RetryBudget(25, new FakeClock());
    for (let i = 0; i < 100; i++) budget.request();
    expect(withdrawals(budget, 1_000)).toBe(25 + 3);
  });

  it("fills the reserve with time, to three at most", async () => {
    const clock = new FakeClock();
    const budget = new RetryBudget(20, clock);
    expect(withdrawals(budget, 10)).toBe(3);
    await clock.advance(400);
    expect(withdrawals(budget, 10)).toBe(1);
    await clock.advance(60_000);
    expect(withdrawals(budget, 10)).toBe(3);
  });

  it("saves no more than a hundred retries in calm times", () => {
    const budget = new RetryBudget(100, new FakeClock());
    for (let i = 0; i < 10_000; i++) budget.request();
    expect(withdrawals(budget, 1_000)).toBe(100 + 3);
  });

  it("grants nothing at 0 %", () => {
    const budget = new RetryBudget(0, new FakeClock());
    for (let i = 0; i < 100; i++) budget.request();
    expect(withdrawals(budget, 10)).toBe(0);
  });
});
