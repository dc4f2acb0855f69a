import { describe, expect, it } from "vitest";
import { editDistance, nearestOf, suggest } from "./nearest.ts";

describe("edit distance", () => {
  it.each([
    ["balance", "balance", 0],
    ["balnce", "balance", 1],
    ["blaance", "balance", 1],
    ["ca", "abc", 3],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ])("%s → %s is %i", (from, to, distance) => {
    expect(editDistance(from, to)).toBe(distance);
    expect(editDistance(to, from)).toBe(distance);
  });

  it("does not work on texts longer than any key", () => {
    expect(editDistance("x".repeat(1_000_000), "y".repeat(1_000_000))).toBe(64);
  });
});

it("the nearest name is found whatever its case, and none if all are far", () => {
  expect(nearestOf("Least-Conections", ["random", "least-connections"])).toBe("least-connections");
  expect(nearestOf("xyz", ["random", "weighted"])).toBeUndefined();
});

it("a suggestion names the nearest, else all if they are few, else nothing", () => {
  expect(suggest("netfix", ["netflix"])).toBe(' (did you mean "netflix"?)');
  expect(suggest("huge", ["netflix"])).toBe(" (known: netflix)");
  expect(suggest("huge", [])).toBe("");
  expect(
    suggest(
      "huge",
      Array.from({ length: 17 }, (_, i) => `scale-number-${i}`),
    ),
  ).toBe("");
});
