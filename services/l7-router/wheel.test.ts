import { describe, expect, it } from "vitest";
import { FakeClock } from "#test/support/fake-clock.ts";
import { Deadline, Wheel } from "./wheel.ts";

class Noting extends Deadline {
  readonly firedMs: number[] = [];
  readonly #clock: FakeClock;
  again: (() => void) | undefined;

  constructor(clock: FakeClock) {
    super();
    this.#clock = clock;
  }

  override onDue(): void {
    this.firedMs.push(this.#clock.nowMs());
    this.again?.();
  }
}

function setUp(): { clock: FakeClock; wheel: Wheel; deadline: Noting } {
  const clock = new FakeClock();
  return { clock, wheel: new Wheel(clock), deadline: new Noting(clock) };
}

describe("the wheel", () => {
  for (const delayMs of [1, 50, 51, 999, 25_600, 60_000, 3_600_000])
    it(`fires what is due in ${delayMs} ms once, not early and at most a tick late`, async () => {
      const { clock, wheel, deadline } = setUp();
      await clock.advance(7);
      wheel.arm(deadline, delayMs);
      await clock.advance(Math.min(delayMs, 120_000) - 1);
      expect(deadline.firedMs).toEqual([]);
      await clock.stall(Math.max(0, delayMs - 120_000)); // an hour of single ticks would take a while
      await clock.advance(101);
      expect(deadline.firedMs).toHaveLength(1);
      expect(deadline.firedMs[0]).toBeGreaterThanOrEqual(7 + delayMs);
      expect([wheel.count, clock.pendingCount]).toEqual([0, 0]);
    });

  it("moves a deadline later and sooner", async () => {
    const { clock, wheel, deadline } = setUp();
    wheel.arm(deadline, 100);
    wheel.arm(deadline, 10_000);
    await clock.advance(5_000);
    expect(deadline.firedMs).toEqual([]);
    wheel.arm(deadline, 100);
    await clock.advance(200);
    expect(deadline.firedMs).toEqual([5_100]);
  });

  it("forgets what is disarmed, wherever it stands in its slot", async () => {
    const { clock, wheel } = setUp();
    const many = Array.from({ length: 5 }, () => new Noting(clock));
    for (const deadline of many) wheel.arm(deadline, 100);
    for (const i of [0, 2, 4, 4]) wheel.disarm(many[i]!);
    await clock.advance(200);
    expect(many.map(({ firedMs }) => firedMs.length)).toEqual([0, 1, 0, 1, 0]);
  });

  it("goes on with what is armed while it fires", async () => {
    const { clock, wheel, deadline } = setUp();
    deadline.again = () => deadline.firedMs.length < 3 && wheel.arm(deadline, 0);
    wheel.arm(deadline, 0);
    await clock.advance(1_000);
    expect(deadline.firedMs).toEqual([50, 100, 150]);
  });

  for (const lateTicks of [1, 2, 511, 512, 513])
    it(`ends its turn when it is ${lateTicks} ticks late and the only deadline is armed for long`, async () => {
      const { clock, wheel, deadline } = setUp();
      deadline.again = () => deadline.firedMs.length < 2 && wheel.arm(deadline, 60_000);
      wheel.arm(deadline, 50);
      await clock.stall(50 + 50 * lateTicks);
      expect(deadline.firedMs).toEqual([50 + 50 * lateTicks]);
      await clock.advance(60_100);
      expect(deadline.firedMs).toHaveLength(2);
    });

  it("fires late what a blocked process has missed", async () => {
    const { clock, wheel, deadline } = setUp();
    wheel.arm(deadline, 100);
    await clock.stall(60_000);
    expect(deadline.firedMs).toEqual([60_000]);
  });
});
