import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { nowhere, placeOf } from "#shared/geo/place.ts";
import { chooseRegion } from "./failover.ts";
import { ordersOf } from "./order.ts";
import { distanceKm, steer } from "./regions.ts";
import type { SteeringRules } from "./regions.ts";

const regions: SteeringRules["regions"] = {
  "eu-west": { location: [53.35, -6.26] },
  "us-east": { location: [38.95, -77.45] },
  "ap-south": { location: [1.35, 103.8] },
};
const rules: SteeringRules = {
  regions,
  steering: {
    countries: { BR: ["us-east", "eu-west"] },
    continents: { SA: ["eu-west"], EU: ["eu-west", "us-east"] },
    default: "nearest",
  },
};

describe("the first rule that matches", () => {
  it.each([
    { place: placeOf({ country: "BR" }), list: ["us-east", "eu-west"], rule: "country BR" },
    { place: placeOf({ country: "AR" }), list: ["eu-west"], rule: "continent SA" },
    { place: placeOf({ continent: "EU" }), list: ["eu-west", "us-east"], rule: "continent EU" },
    {
      place: placeOf({ country: "JP" }),
      list: ["ap-south", "eu-west", "us-east"],
      rule: "nearest: ap-south 5256 km, eu-west 9430 km, us-east 10864 km",
    },
    {
      place: nowhere,
      list: ["eu-west", "us-east", "ap-south"],
      rule: "nearest: place unknown, regions in the order of the config",
    },
  ])("$place.country $place.continent: $rule", ({ place, list, rule }) => {
    expect(steer(place, rules)).toEqual({ regions: list, rule });
  });

  it("the default may be a list", () => {
    const listed = { ...rules, steering: { ...rules.steering, default: ["us-east"] } };
    expect(steer(placeOf({ country: "JP" }), listed)).toEqual({ regions: ["us-east"], rule: "default list" });
  });

  it("distances are along the surface", () => {
    expect(distanceKm([52.52, 13.4], [52.52, 13.4])).toBe(0);
    expect(distanceKm([52.52, 13.4], [48.86, 2.35])).toBeCloseTo(878, -1);
    expect(distanceKm([0, 179], [0, -179])).toBeCloseTo(222, 0);
    expect(distanceKm([90, 0], [-90, 0])).toBeCloseTo(20_015, 0);
  });
});

describe("failover", () => {
  const regionsOf = (health: Record<string, boolean>) =>
    new Map(Object.entries(health).map(([name, healthy]) => [name, { name, healthy }]));
  it.each([
    { name: "the first is healthy", health: { a: true, b: true }, list: ["a", "b"], chosen: ["a"], reason: "OK" },
    {
      name: "the first is down",
      health: { a: false, b: true },
      list: ["a", "b"],
      chosen: ["b"],
      reason: "REGION_FAILOVER",
    },
    {
      name: "the order of the list counts",
      health: { a: true, b: true },
      list: ["b", "a"],
      chosen: ["b"],
      reason: "OK",
    },
    { name: "all are down", health: { a: false, b: false }, list: ["b", "a"], chosen: ["b", "a"], reason: "FAIL_OPEN" },
    { name: "the list is obeyed", health: { a: false, b: true }, list: ["a"], chosen: ["a"], reason: "FAIL_OPEN" },
    {
      name: "the list names a region without this service",
      health: { b: true },
      list: ["a", "b"],
      chosen: ["b"],
      reason: "OK",
    },
    {
      name: "the list names none with this service",
      health: { a: false, b: true },
      list: ["c"],
      chosen: ["b"],
      reason: "REGION_FAILOVER",
    },
    { name: "there are no regions", health: {}, list: ["c"], chosen: [], reason: "FAIL_OPEN" },
  ])("$name", ({ health, list, chosen, reason }) => {
    const choice = chooseRegion(list, regionsOf(health as Record<string, boolean>));
    expect(choice.chosen.map(({ name }) => name)).toEqual(chosen);
    expect(choice.reason).toBe(reason);
  });
});

describe("the order of addresses", () => {
  const addresses = [
    { address: "a", weight: 5 },
    { address: "b", weight: 1 },
    { address: "c", weight: 1 },
  ];
  const orders = (balance: Parameters<typeof ordersOf>[0], count: number, of = addresses) =>
    ordersOf(balance, of, count, seededRandom(7)).map((order) => order.map(({ address }) => address).join(""));

  it("round-robin: each is first in turn", () => {
    expect(orders("round-robin", 2)).toEqual(["ab", "bc", "ca"]);
  });

  it("weighted: first places by weight, evenly spread", () => {
    const firsts = orders("weighted", 1).join("");
    expect(["a", "b", "c"].map((letter) => firsts.split(letter).length - 1)).toEqual([5, 1, 1]);
    expect(firsts + firsts).not.toContain("aaaaa");
  });

  it("weighted: no more orders than are kept, shares within two percent", () => {
    const firsts = orders("weighted", 1, [
      { address: "a", weight: 701 },
      { address: "b", weight: 299 },
    ]);
    expect(firsts.length).toBeLessThanOrEqual(64);
    expect(firsts.filter((first) => first === "a").length / firsts.length).toBeCloseTo(0.7, 1);
  });

  it("random: all come first as often, in another order each time, none twice in one answer", () => {
    const taken = orders("random", 3);
    for (const letter of "abc")
      expect(taken.filter((text) => text.startsWith(letter))).toHaveLength(taken.length / addresses.length);
    expect(taken.every((text) => new Set(text).size === 3)).toBe(true);
    expect(new Set(taken).size).toBe(6);
    expect(taken.slice(0, 3)).not.toEqual(taken.slice(3, 6));
  });

  it.each(["round-robin", "weighted", "random"] as const)(
    "%s: without addresses there is one empty order",
    (balance) => {
      expect(orders(balance, 2, [])).toEqual([""]);
    },
  );
});
