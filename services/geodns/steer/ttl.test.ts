import { describe, expect, it } from "vitest";
import { observe, unknownHealth } from "#shared/health/state.ts";
import { defaultTtlMin, isChanging } from "./ttl.ts";

const rules = { fall: 3, rise: 2 };
const second = 1_000;

/** The state after checks one second apart, the first at 0. */
function after(checks: readonly boolean[]) {
  return checks.reduce(
    (state, passed, i) =>
      observe(state, { passed, atMs: i * second, reason: passed ? "OK" : "CHECK_TIMEOUT", detail: "" }, rules),
    unknownHealth(0),
  );
}

describe("an address is changing", () => {
  it.each([
    { name: "not before its first check", checks: [], atSecond: 0, changing: false },
    { name: "not while it is up from the start", checks: [true, true], atSecond: 1, changing: false },
    {
      name: "while a check has failed and it is not down yet",
      checks: [true, false, false],
      atSecond: 2,
      changing: true,
    },
    { name: "not any more when the next one passes", checks: [true, false, true], atSecond: 2, changing: false },
    { name: "not once it is down", checks: [true, false, false, false], atSecond: 3, changing: false },
    { name: "while it passes and is not up yet", checks: [false, true], atSecond: 1, changing: true },
    { name: "for a TTL after it came back", checks: [false, true, true], atSecond: 11, changing: true },
    { name: "no longer", checks: [false, true, true], atSecond: 12, changing: false },
  ])("$name", ({ checks, atSecond, changing }) => {
    expect(isChanging(after(checks), atSecond * second, 10 * second)).toBe(changing);
  });
});

describe("the TTL while a region is changing", () => {
  it.each([
    { ttl: 300, least: 150 },
    { ttl: 10, least: 5 },
    { ttl: 7, least: 5 },
    { ttl: 5, least: 5 },
    { ttl: 2, least: 2 },
    { ttl: 0, least: 0 },
  ])("is $least s of $ttl s", ({ ttl, least }) => {
    expect(defaultTtlMin(ttl)).toBe(least);
  });
});
