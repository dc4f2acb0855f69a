import { describe, expect, it } from "vitest";
import { sideOf } from "./split.ts";
import type { Share } from "./split.ts";

const clients = Array.from({ length: 20_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
const sides = (shares: readonly Share[]) => clients.map((client) => sideOf(client, shares));
const shareOf = (all: readonly string[], pool: string) => all.filter((side) => side === pool).length / all.length;
const moved = (before: readonly string[], after: readonly string[]) =>
  before.filter((side, i) => side !== after[i]).length / before.length;

describe("a split", () => {
  const before = sides([
    { pool: "web", weight: 90 },
    { pool: "canary", weight: 5 },
    { pool: "beta", weight: 5 },
  ]);

  it("gives each pool its share of clients", () => {
    expect(shareOf(before, "web")).toBeCloseTo(0.9, 1.5);
    expect(shareOf(before, "canary")).toBeCloseTo(0.05, 2);
    expect(shareOf(before, "beta")).toBeCloseTo(0.05, 2);
  });

  it("moves only the share that changes, and only to the pool that grows", () => {
    const after = sides([
      { pool: "web", weight: 80 },
      { pool: "canary", weight: 15 },
      { pool: "beta", weight: 5 },
    ]);
    expect(moved(before, after)).toBeCloseTo(0.1, 1.5);
    const strays = before.filter((side, i) => side !== after[i] && side !== "web" && after[i] !== "canary");
    expect(strays.length / before.length).toBeLessThan(0.005);
  });

  it("does not depend on the order of its pools", () => {
    const turned = sides([
      { pool: "beta", weight: 5 },
      { pool: "canary", weight: 5 },
      { pool: "web", weight: 90 },
    ]);
    expect(turned).toEqual(before);
  });

  it("sends nobody to a weight of 0", () => {
    const all = sides([
      { pool: "web", weight: 1 },
      { pool: "canary", weight: 0 },
    ]);
    expect(new Set(all)).toEqual(new Set(["web"]));
  });
});
