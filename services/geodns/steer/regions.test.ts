import { describe, expect, it } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { formatCidr, maskAddress, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import { nowhere, placeOf } from "#shared/geo/place.ts";
import { distanceKm } from "./distance.ts";
import { networkRulesOf, steer, steerClient } from "./regions.ts";
import type { SteeringRules } from "./regions.ts";

const locations = {
  "eu-west": { location: [53.35, -6.26] },
  "us-east": { location: [38.95, -77.45] },
  "ap-south": { location: [1.35, 103.8] },
};

function rulesOf(steering: object, regions: object = locations): SteeringRules {
  return geodnsSchema.parse({ listen: ["127.0.0.1:0"], regions, steering, dnsZones: {} });
}

const rules = rulesOf({
  networks: { "10.0.0.0/8": ["us-east"], "10.1.0.0/16": ["ap-south", "eu-west"], "2001:db8::/32": ["ap-south"] },
  asns: { 3320: ["us-east", "ap-south"] },
  countries: { BR: ["us-east", "eu-west"] },
  continents: { SA: ["eu-west"], EU: ["eu-west", "us-east"] },
});
const somewhere = parseCidr("192.0.2.0/24")!;

describe("the first rule that matches", () => {
  it.each([
    { place: placeOf({ country: "DE", asn: 3320 }), list: ["us-east", "ap-south"], rule: "ASN 3320" },
    { place: placeOf({ country: "BR", asn: 1 }), list: ["us-east", "eu-west"], rule: "country BR" },
    { place: placeOf({ country: "AR" }), list: ["eu-west"], rule: "continent SA" },
    { place: placeOf({ continent: "EU" }), list: ["eu-west", "us-east"], rule: "continent EU" },
    {
      place: placeOf({ country: "JP" }),
      list: ["ap-south", "eu-west", "us-east"],
      rule: "nearest: ap-south 5256 km, eu-west 9430 km, us-east 10864 km",
    },
    {
      place: placeOf({ country: "JP", location: [40, -75] }), // a city knows better than its country
      list: ["us-east", "eu-west", "ap-south"],
      rule: "nearest: us-east 241 km, eu-west 5230 km, ap-south 15416 km",
    },
    {
      place: nowhere,
      list: ["eu-west", "us-east", "ap-south"],
      rule: "nearest: place unknown, regions in the order of the config",
    },
  ])("$place.country $place.asn: $rule", ({ place, list, rule }) => {
    expect(steer(place, somewhere, rules)).toEqual({ regions: list, rule, shift: null });
  });

  it.each([
    { client: "10.1.2.3", list: ["ap-south", "eu-west"], rule: "network 10.1.0.0/16" },
    { client: "10.2.0.1", list: ["us-east"], rule: "network 10.0.0.0/8" },
    { client: "2001:db8::1", list: ["ap-south"], rule: "network 2001:db8::/32" },
    { client: "11.0.0.1", list: ["us-east", "ap-south"], rule: "ASN 3320" },
  ])("by the client's network before its place: $client by $rule", ({ client, list, rule }) => {
    const key = parseAddress(client)!;
    const place = placeOf({ country: "BR", asn: 3320 });
    const cidr = { bytes: maskAddress(key, 8), prefix: 8 };
    expect(steerClient({ key, place, cidr }, rules)).toEqual({ regions: list, rule, shift: null });
  });

  it("tells the networks of its rules, the wider ones first", () => {
    const told = networkRulesOf(rules).map(({ cidr, regions }) => `${formatCidr(cidr)} ${regions.join()}`);
    expect(told).toEqual(["10.0.0.0/8 us-east", "10.1.0.0/16 ap-south,eu-west", "2001:db8::/32 ap-south"]);
  });

  it("the default may be a list", () => {
    const listed = rulesOf({ default: ["us-east"] });
    expect(steer(placeOf({ country: "JP" }), somewhere, listed)).toMatchObject({
      regions: ["us-east"],
      rule: "default list",
    });
  });

  it("the same list is the same object, so that networks can be compared by it", () => {
    const place = placeOf({ country: "JP" });
    expect(steer(place, parseCidr("198.51.100.0/24")!, rules)).toBe(steer(place, somewhere, rules));
    expect(steer(placeOf({ country: "FR" }), somewhere, rules)).toBe(
      steer(placeOf({ country: "DE" }), somewhere, rules),
    );
  });

  it("another config with the same rules and other regions is another", () => {
    const moved = {
      ...rules,
      regions: { ...rules.regions, "us-east": { location: [35, 139] as [number, number], capacity: 1 } },
    };
    const place = placeOf({ country: "JP" });
    expect(steer(place, somewhere, moved).regions[0]).toBe("us-east");
    expect(steer(place, somewhere, rules).regions[0]).toBe("ap-south");
  });
});

describe("capacity", () => {
  it("lets a region reach farther: nearest divides the distance by it", () => {
    const place = placeOf({ country: "JP" }); // 5256 km from ap-south, 9430 from eu-west
    const weighted = (capacity: number) =>
      steer(place, somewhere, rulesOf({}, { ...locations, "eu-west": { ...locations["eu-west"], capacity } }));
    expect(weighted(1.7).regions).toEqual(["ap-south", "eu-west", "us-east"]);
    expect(weighted(1.8)).toMatchObject({
      regions: ["eu-west", "ap-south", "us-east"],
      rule: "nearest: eu-west 9430 km ÷ 1.8, ap-south 5256 km, us-east 10864 km",
    });
  });

  it("counts against the others alone: twice as much everywhere changes nothing", () => {
    const twice = Object.fromEntries(Object.entries(locations).map(([name, one]) => [name, { ...one, capacity: 2 }]));
    const place = placeOf({ country: "IN" });
    expect(steer(place, somewhere, rulesOf({}, twice)).regions).toEqual(steer(place, somewhere, rulesOf({})).regions);
  });
});

describe("distances", () => {
  it.each([
    { from: [52.52, 13.4], to: [52.52, 13.4], km: 0 },
    { from: [52.52, 13.4], to: [48.86, 2.35], km: 877 },
    { from: [0, 179], to: [0, -179], km: 222 },
    { from: [90, 0], to: [-90, 0], km: 20_015 },
  ] as const)("are along the surface: $from to $to", ({ from, to, km }) => {
    expect(Math.round(distanceKm(from, to))).toBe(km);
  });
});
