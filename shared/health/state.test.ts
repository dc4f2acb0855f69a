import { describe, expect, it } from "vitest";
import { assumedHealth, forgiveFlaps, observe, unknownHealth } from "./state.ts";
import type { HealthState } from "./state.ts";

const rules = { fall: 3, rise: 2 };
const pass = (atMs: number) => ({ passed: true, atMs, reason: "OK", detail: "status 200" }) as const;
const fail = (atMs: number) => ({ passed: false, atMs, reason: "CHECK_TIMEOUT", detail: "slow" }) as const;
const drain = (atMs: number) =>
  ({ passed: false, atMs, reason: "DRAINING", detail: "it says so", definitive: true }) as const;

const noCheck = (atMs: number) => ({ ...fail(atMs), reason: "CHECK_FAILED", inconclusive: true }) as const;

/** "+" passes, "-" fails, "D" says that it drains, "?" could not be made. */
function observationOf(check: string, atMs: number) {
  if (check === "D") return drain(atMs);
  if (check === "?") return noCheck(atMs);
  return check === "+" ? pass(atMs) : fail(atMs);
}

/** Observes a check every second. */
function after(checks: string, state: HealthState = unknownHealth(0)): HealthState {
  let atMs = 0;
  for (const check of checks) state = observe(state, observationOf(check, (atMs += 1_000)), rules);
  return state;
}

describe("health", () => {
  it.each([
    { name: "nothing was observed: unknown", checks: "", status: "unknown", sinceMs: 0, reason: "STARTING" },
    { name: "the first pass decides at once", checks: "+", status: "up", sinceMs: 1_000, reason: "OK" },
    { name: "the first failure decides at once", checks: "-", status: "down", sinceMs: 1_000, reason: "CHECK_TIMEOUT" },
    { name: "fewer failures than fall change nothing", checks: "+--", status: "up", sinceMs: 1_000, reason: "OK" },
    { name: "a pass between failures resets the streak", checks: "+--+--", status: "up", sinceMs: 1_000, reason: "OK" },
    { name: "fall failures take it down", checks: "+---", status: "down", sinceMs: 4_000, reason: "CHECK_TIMEOUT" },
    {
      name: "fewer passes than rise change nothing",
      checks: "-+",
      status: "down",
      sinceMs: 1_000,
      reason: "CHECK_TIMEOUT",
    },
    {
      name: "a failure between passes resets the streak",
      checks: "-+-+",
      status: "down",
      sinceMs: 1_000,
      reason: "CHECK_TIMEOUT",
    },
    { name: "rise passes bring it back", checks: "-++", status: "up", sinceMs: 3_000, reason: "OK" },
    {
      name: "a stop and a heal: back after exactly rise passes",
      checks: "+++---++",
      status: "up",
      sinceMs: 8_000,
      reason: "OK",
    },
    { name: "what it says itself counts at once", checks: "+D", status: "down", sinceMs: 2_000, reason: "DRAINING" },
    {
      name: "a check that could not be made decides nothing",
      checks: "?",
      status: "unknown",
      sinceMs: 0,
      reason: "STARTING",
    },
    { name: "nor do many of them", checks: "+????", status: "up", sinceMs: 1_000, reason: "OK" },
    { name: "nor do they end a streak", checks: "+-?--", status: "down", sinceMs: 5_000, reason: "CHECK_TIMEOUT" },
    {
      name: "the latest reason is shown while it is down",
      checks: "+D-",
      status: "down",
      sinceMs: 2_000,
      reason: "CHECK_TIMEOUT",
    },
  ])("$name", ({ checks, status, sinceMs, reason }) => {
    expect(after(checks)).toMatchObject({ status, sinceMs, reason });
  });

  it("remembers the last check whatever it changed", () => {
    expect(after("+-").lastCheck).toEqual({ atMs: 2_000, passed: false, detail: "slow" });
  });

  it("is up where nobody checks, and a failure does not decide at once then", () => {
    expect(after("-", assumedHealth(0))).toMatchObject({ status: "up", reason: "OK" });
  });
});

/** The moments of every change while `passed` says what the check of each second finds. */
function changes(seconds: number, passed: (second: number) => boolean): { atMs: number; status: string }[] {
  let state = unknownHealth(0);
  const seen: { atMs: number; status: string }[] = [];
  for (let second = 1; second <= seconds; second++) {
    const before = state.status;
    const atMs = second * 1_000;
    state = observe(state, passed(second) ? pass(atMs) : fail(atMs), rules);
    if (before !== "unknown" && state.status !== before) seen.push({ atMs, status: state.status });
  }
  return seen;
}

describe("flap damping", () => {
  const flapping = changes(3_600, (second) => second % 10 < 5);

  it("lets two falls in a minute come back at once, as drills do", () => {
    expect(after("+---++---++")).toMatchObject({ status: "up", flaps: 1 });
  });

  it("lets at most two changes a minute through once a server has fallen for the third time", () => {
    const settled = flapping.slice(3); // Fall, return, fall, return: the next fall shows that it flaps.
    for (const { atMs } of settled) {
      const inMinute = settled.filter((change) => change.atMs >= atMs && change.atMs < atMs + 60_000);
      expect(inMinute.length).toBeLessThanOrEqual(2);
    }
  });

  it("doubles the hold from a minute up to five", () => {
    const ups = flapping.filter(({ status }) => status === "up").map(({ atMs }) => atMs);
    const apart = ups.slice(1).map((atMs, i) => Math.floor((atMs - (ups[i] ?? 0)) / 60_000));
    expect(apart.slice(0, 6)).toEqual([0, 1, 2, 4, 5, 5]);
    expect(Math.max(...apart)).toBe(5);
  });

  it("acts on a failure at once, held or not", () => {
    const downs = changes(30, (second) => second < 10 || (second >= 13 && second < 20)).filter(
      ({ status }) => status === "down",
    );
    expect(downs.map(({ atMs }) => atMs)).toEqual([12_000, 22_000]);
  });

  it("says while it holds that the server passes again", () => {
    const held = after("+---++---++---++");
    expect(held).toMatchObject({ status: "down", reason: "CHECK_TIMEOUT" });
    expect(held.detail).toBe("passes again, held for 55 s after flapping");
  });

  it("forgets after a calm minute", () => {
    const lastFall = 1_000;
    const seen = changes(1_200, (second) => (second < lastFall ? second % 10 < 5 : second > lastFall + 2));
    const back = seen.at(-1);
    expect(back?.status).toBe("up");
    const later = Math.ceil((back?.atMs ?? 0) / 1_000) + 70;
    const again = changes(later + 20, (second) =>
      second < lastFall ? second % 10 < 5 : second > lastFall + 2 && (second < later || second > later + 2),
    );
    expect(again.slice(-2).map(({ atMs, status }) => [status, atMs - later * 1_000])).toEqual([
      ["down", 2_000],
      ["up", 4_000],
    ]);
  });

  it("holds no longer once an operator has said that the server is well", () => {
    const forgiven = forgiveFlaps(after("+---++---++---"));
    expect(after("+", forgiven)).toMatchObject({ status: "down" });
    const back = after("++", forgiven);
    expect(back).toMatchObject({ status: "up", flaps: 0 });
    expect(after("---++", back)).toMatchObject({ status: "up", flaps: 1 });
  });

  it("does not take an announced restart for a flap", () => {
    expect(after("+---++---++D++")).toMatchObject({ status: "up", sinceMs: 14_000 });
  });
});
