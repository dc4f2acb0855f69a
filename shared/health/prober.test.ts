import { describe, expect, it } from "vitest";
import { healthSchema } from "#shared/config/schema/common.ts";
import { seededRandom } from "#shared/core/random.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import type { Check, CheckResult } from "./check.ts";
import { Prober } from "./prober.ts";

const config = healthSchema.parse({ type: "tcp", interval: "1s", timeout: "500ms" });
const passed: CheckResult = { passed: true, reason: "OK", detail: "" };
const refused: CheckResult = { passed: false, reason: "CHECK_REFUSED", detail: "" };

/** Targets "a", "b" ... by name. */
function targetsOf(...keys: string[]) {
  return new Map(keys.map((key) => [key, { host: key, port: 1 }]));
}

/** A prober whose checks are answered by `answer`; undefined hangs until the check is aborted. */
function testProber(answer: (host: string, clock: FakeClock) => CheckResult | undefined, random = () => 0.5) {
  const clock = new FakeClock();
  const begun: { host: string; atMs: number }[] = [];
  const results: { key: string; result: CheckResult; atMs: number }[] = [];
  const running = new Map<string, number>();
  let runningMax = 0;
  let overlaps = 0;
  const check: Check = (target, _config, signal) => {
    const { host } = target;
    begun.push({ host, atMs: clock.nowMs() });
    running.set(host, (running.get(host) ?? 0) + 1);
    overlaps = Math.max(overlaps, running.get(host) ?? 0);
    runningMax = Math.max(
      runningMax,
      [...running.values()].reduce((sum, count) => sum + count, 0),
    );
    const done = (result: CheckResult) => {
      running.set(host, (running.get(host) ?? 0) - 1);
      return result;
    };
    const result = answer(host, clock);
    if (result) return Promise.resolve().then(() => done(result));
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve(done({ passed: false, reason: "CHECK_TIMEOUT", detail: "" })));
    });
  };
  const prober = new Prober({
    config,
    clock,
    random,
    check,
    onResult: (key, result, atMs) => void results.push({ key, result, atMs }),
  });
  return { prober, clock, begun, results, most: () => runningMax, overlaps: () => overlaps };
}

describe("prober", () => {
  it("checks all targets at once at the start, and says when each was checked", async () => {
    const { prober, clock, begun } = testProber(() => passed);
    prober.setTargets(targetsOf("a", "b", "c"));
    let isOver = false;
    void prober.firstRound.then(() => (isOver = true));
    await clock.advance(0);
    expect(begun).toEqual([]);
    prober.start();
    expect(begun).toEqual(["a", "b", "c"].map((host) => ({ host, atMs: 0 })));
    await clock.advance(0);
    expect(isOver).toBe(true);
  });

  it("ends the first round at the deadline of a target that hangs", async () => {
    const { prober, clock } = testProber((host) => (host === "a" ? undefined : passed));
    prober.setTargets(targetsOf("a", "b"));
    const overAtMs = prober.firstRound.then(() => clock.nowMs());
    prober.start();
    await clock.advance(2_000);
    expect(await overAtMs).toBe(500);
  });

  it("ends the first round at once without targets, and when it is stopped", async () => {
    const { prober } = testProber(() => passed);
    prober.setTargets(new Map());
    prober.start();
    await expect(prober.firstRound).resolves.toBeUndefined();
    const other = testProber(() => undefined).prober;
    other.setTargets(targetsOf("a"));
    other.start();
    other.stop();
    await expect(other.firstRound).resolves.toBeUndefined();
  });

  it("checks every interval, ±10 %", async () => {
    const { prober, clock, begun } = testProber(() => passed, seededRandom(7));
    prober.setTargets(targetsOf("a"));
    prober.start();
    await clock.advance(100_000);
    const apart = begun.slice(1).map(({ atMs }, i) => atMs - (begun[i]?.atMs ?? 0));
    expect(begun.length).toBeGreaterThan(90);
    expect(Math.min(...apart)).toBeGreaterThanOrEqual(900);
    expect(Math.max(...apart)).toBeLessThanOrEqual(1_100);
    expect(Math.max(...apart) - Math.min(...apart)).toBeGreaterThan(100);
  });

  it("counts the interval from the beginning of a check, and never overlaps two of one target", async () => {
    const { prober, clock, begun, overlaps } = testProber(() => undefined);
    prober.setTargets(targetsOf("a"));
    prober.start();
    await clock.advance(3_400);
    expect(begun.map(({ atMs }) => atMs)).toEqual([0, 1_000, 2_000, 3_000]);
    expect(overlaps()).toBe(1);
  });

  it("has at most 512 checks under way", async () => {
    const { prober, clock, results, most } = testProber(() => undefined);
    prober.setTargets(targetsOf(...Array.from({ length: 1_200 }, (_, i) => `t${i}`)));
    prober.start();
    await clock.advance(1_600);
    expect(most()).toBe(512);
    expect(new Set(results.map(({ key }) => key)).size).toBe(1_200);
  });

  it("checks a new target at once, and one that left no more", async () => {
    const { prober, clock, begun, results } = testProber((host) => (host === "a" ? undefined : passed));
    prober.setTargets(targetsOf("a", "b"));
    prober.start();
    await clock.advance(100);
    prober.setTargets(targetsOf("b", "c"));
    await clock.advance(1_500);
    expect(begun).toEqual([
      { host: "a", atMs: 0 },
      { host: "b", atMs: 0 },
      { host: "c", atMs: 100 },
      { host: "b", atMs: 1_000 },
      { host: "c", atMs: 1_100 },
    ]);
    expect(results.map(({ key }) => key)).not.toContain("a");
  });

  it("reports nothing and leaves no timer once it is stopped", async () => {
    const { prober, clock, results } = testProber((host) => (host === "a" ? undefined : passed));
    prober.setTargets(targetsOf("a", "b"));
    prober.start();
    await clock.advance(100);
    const before = results.length;
    prober.stop();
    await clock.advance(10_000);
    expect(results.length).toBe(before);
    expect(clock.pendingCount).toBe(0);
  });
});

describe("prober on an event loop that stalls", () => {
  it("drops the failures of checks that ran meanwhile, and repeats them at once", async () => {
    let isHanging = true;
    const { prober, clock, results } = testProber(() => (isHanging ? undefined : passed));
    prober.setTargets(targetsOf("a", "b"));
    prober.start();
    await clock.advance(100);
    isHanging = false;
    await clock.stall(2_000);
    await clock.advance(1);
    expect(results.map(({ key, result }) => [key, result.passed])).toEqual([
      ["a", true],
      ["b", true],
    ]);
  });

  it.each([
    { name: "just before the heartbeat is due", beforeMs: 120 },
    { name: "just after it", beforeMs: 130 },
    { name: "just before the deadline of the check", beforeMs: 499 },
  ])("whether the stall begins $name", async ({ beforeMs }) => {
    const { prober, clock, results } = testProber(() => undefined);
    prober.setTargets(targetsOf("a"));
    prober.start();
    await clock.advance(beforeMs);
    await clock.stall(2_000);
    expect(results).toEqual([]);
  });

  it("believes a failure that was seen while the loop was free", async () => {
    const { prober, clock, results } = testProber(() => refused);
    prober.setTargets(targetsOf("a"));
    prober.start();
    await clock.advance(0);
    await clock.stall(2_000);
    expect(results.filter(({ atMs }) => atMs === 0)).toHaveLength(1);
  });

  it("believes a pass whenever it was seen", async () => {
    const answer = Promise.withResolvers<CheckResult>();
    const clock = new FakeClock();
    let begun = 0;
    const begunAtResult: number[] = [];
    const prober = new Prober({
      config,
      clock,
      random: () => 0.5,
      check: () => {
        begun++;
        return answer.promise;
      },
      onResult: () => void begunAtResult.push(begun),
    });
    prober.setTargets(targetsOf("a"));
    prober.start();
    await clock.stall(2_000);
    answer.resolve(passed);
    await clock.advance(0);
    expect(begunAtResult[0]).toBe(1);
  });

  it("does not hide a dead server for ever when the loop stalls all the time", async () => {
    const { prober, clock, results, begun } = testProber(() => undefined);
    prober.setTargets(targetsOf("a"));
    prober.start();
    while (results.length === 0 && begun.length < 20) await clock.stall(2_000);
    expect(begun.length).toBeGreaterThan(5);
    expect(results.length).toBeGreaterThan(0);
  });
});
