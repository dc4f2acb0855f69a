import { describe, expect, it } from "vitest";
import { chooseRegions, portionsOf } from "./failover.ts";

type Health = "up" | "down" | "up, changing" | "down, changing";

const regionsOf = (health: Readonly<Record<string, Health>>) =>
  new Map(
    Object.entries(health).map(([name, state]) => [
      name,
      { name, healthy: state.startsWith("up"), changing: state.endsWith("changing") },
    ]),
  );

interface Case {
  readonly name: string;
  readonly health: Readonly<Record<string, Health>>;
  readonly list: readonly string[];
  readonly count?: number;
  readonly chosen: readonly string[];
  readonly reason: string;
}

const cases: readonly Case[] = [
  { name: "the first is healthy", health: { a: "up", b: "up" }, list: ["a", "b"], chosen: ["a"], reason: "OK" },
  {
    name: "the first is down",
    health: { a: "down", b: "up" },
    list: ["a", "b"],
    chosen: ["b"],
    reason: "REGION_FAILOVER",
  },
  { name: "the order of the list counts", health: { a: "up", b: "up" }, list: ["b", "a"], chosen: ["b"], reason: "OK" },
  { name: "all are down", health: { a: "down", b: "down" }, list: ["b", "a"], chosen: ["b", "a"], reason: "FAIL_OPEN" },
  { name: "the list is obeyed", health: { a: "down", b: "up" }, list: ["a"], chosen: ["a"], reason: "FAIL_OPEN" },
  {
    name: "the list names a region without this service",
    health: { b: "up" },
    list: ["a", "b"],
    chosen: ["b"],
    reason: "OK",
  },
  {
    name: "the list names none with this service",
    health: { a: "down", b: "up" },
    list: ["c"],
    chosen: ["b"],
    reason: "REGION_FAILOVER",
  },
  { name: "there are no regions", health: {}, list: ["c"], chosen: [], reason: "FAIL_OPEN" },
  {
    name: "two are wanted and healthy",
    health: { a: "up", b: "up", c: "up" },
    list: ["c", "a", "b"],
    count: 2,
    chosen: ["c", "a"],
    reason: "OK",
  },
  {
    name: "two are wanted and the second is down",
    health: { a: "up", b: "down", c: "up" },
    list: ["a", "b", "c"],
    count: 2,
    chosen: ["a", "c"],
    reason: "REGION_FAILOVER",
  },
  {
    name: "two are wanted and one is left",
    health: { a: "down", b: "up" },
    list: ["a", "b"],
    count: 2,
    chosen: ["b"],
    reason: "REGION_FAILOVER",
  },
  { name: "two are wanted and there is one", health: { a: "up" }, list: ["a"], count: 2, chosen: ["a"], reason: "OK" },
  {
    name: "two are wanted and all are down",
    health: { a: "down", b: "down", c: "down" },
    list: ["a", "b"],
    count: 2,
    chosen: ["a", "b"],
    reason: "FAIL_OPEN",
  },
];

describe("failover", () => {
  it.each(cases)("$name", ({ health, list, count = 1, chosen, reason }) => {
    const choice = chooseRegions(list, regionsOf(health), count);
    expect(choice.chosen.map(({ name }) => name)).toEqual(chosen);
    expect(choice.reason).toBe(reason);
  });
});

describe("a choice is changing with a region that it hangs on", () => {
  const cases: readonly { name: string; health: Record<string, Health>; count?: number; changing: boolean }[] = [
    { name: "none changes", health: { a: "up", b: "up" }, changing: false },
    { name: "the chosen one", health: { a: "up, changing", b: "up" }, changing: true },
    { name: "a better one that comes back", health: { a: "down, changing", b: "up" }, changing: true },
    { name: "one behind it", health: { a: "up", b: "up, changing" }, changing: false },
    { name: "the second of two", health: { a: "up", b: "up, changing", c: "up" }, count: 2, changing: true },
    { name: "one behind two", health: { a: "up", b: "up", c: "up, changing" }, count: 2, changing: false },
    { name: "the second of two that is down", health: { a: "up", b: "down, changing" }, count: 2, changing: true },
    { name: "any, when failing open", health: { a: "down", b: "down, changing" }, changing: true },
  ];
  it.each(cases)("$name", ({ health, count = 1, changing }) => {
    expect(chooseRegions(["a", "b", "c"], regionsOf(health), count).changing).toBe(changing);
  });
});

describe("an answer of several regions", () => {
  it.each([
    { available: [3, 3], total: 2, portions: [1, 1] },
    { available: [3, 3], total: 3, portions: [2, 1] },
    { available: [1, 3], total: 4, portions: [1, 3] },
    { available: [0, 3], total: 2, portions: [0, 2] },
    { available: [2, 2], total: 9, portions: [2, 2] },
    { available: [0, 0], total: 2, portions: [0, 0] },
    { available: [], total: 2, portions: [] },
    { available: [5], total: 2, portions: [2] },
  ])("takes $portions of $available for $total", ({ available, total, portions }) => {
    expect(portionsOf(available, total)).toEqual(portions);
  });
});
