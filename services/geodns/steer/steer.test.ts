import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { nowhere, placeOf } from "#shared/geo/place.ts";
import { chooseRegion } from "./failover.ts";
import { createOrder } from "./order.ts";
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
  const take = (order: ReturnType<typeof createOrder>, count: number, times: number) =>
    Array.from({ length: times }, () =>
      order
        .take("r", addresses, count)
        .map(({ address }) => address)
        .join(""),
    );

  it("round-robin: each is first in turn", () => {
    expect(take(createOrder("round-robin", seededRandom(1)), 2, 4)).toEqual(["ab", "bc", "ca", "ab"]);
  });

  it("round-robin: another region or type has a turn of its own", () => {
    const order = createOrder("round-robin", seededRandom(1));
    order.take("r", addresses, 1);
    expect(order.take("s", addresses, 1)[0]?.address).toBe("a");
  });

  it("round-robin: goes on when some are gone", () => {
    const order = createOrder("round-robin", seededRandom(1));
    take(order, 1, 2);
    expect(order.take("r", addresses.slice(0, 1), 2).map(({ address }) => address)).toEqual(["a"]);
    expect(order.take("r", [], 2)).toEqual([]);
  });

  it("weighted: first places by weight, evenly spread", () => {
    const firsts = take(createOrder("weighted", seededRandom(1)), 1, 14).join("");
    expect(firsts.slice(0, 7)).toBe(firsts.slice(7));
    expect(["a", "b", "c"].map((letter) => firsts.split(letter).length - 1)).toEqual([10, 2, 2]);
    expect(firsts).not.toContain("aaaaa");
  });

  it("random: all come first about as often, none twice in one answer", () => {
    const taken = take(createOrder("random", seededRandom(7)), 3, 3_000);
    for (const letter of "abc") {
      const first = taken.filter((text) => text.startsWith(letter)).length;
      expect(Math.abs(first - 1_000)).toBeLessThan(100);
    }
    expect(taken.every((text) => new Set(text).size === 3)).toBe(true);
  });

  it.each(["round-robin", "weighted"] as const)("%s: a look does not move it", (balance) => {
    const order = createOrder(balance, seededRandom(1));
    const seen = order.take("r", addresses, 3, true);
    expect(order.take("r", addresses, 3, true)).toEqual(seen);
    expect(order.take("r", addresses, 3)).toEqual(seen);
    const later = Array.from({ length: 3 }, () => order.take("r", addresses, 3));
    expect(later.some(([first]) => first !== seen[0])).toBe(true);
  });
});
