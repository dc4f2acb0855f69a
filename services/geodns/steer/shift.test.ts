import { describe, expect, it } from "vitest";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { formatCidr } from "#shared/core/cidr.ts";
import { placeOf } from "#shared/geo/place.ts";
import type { Place } from "#shared/geo/place.ts";
import { steer, steerClient } from "./regions.ts";
import type { SteeringRules } from "./regions.ts";

const locations = {
  "eu-west": { location: [53.35, -6.26] },
  "us-east": { location: [38.95, -77.45] },
  "ap-south": { location: [1.35, 103.8] },
};

function rulesWith(...shift: object[]): SteeringRules {
  const steering = {
    continents: { EU: ["eu-west", "us-east"], NA: ["us-east", "eu-west"] },
    default: ["ap-south"],
    shift,
  };
  return geodnsSchema.parse({ listen: ["127.0.0.1:0"], regions: locations, steering, dnsZones: {} });
}

/** Networks as a geo database has them: neighbours, of several lengths, of both families. */
const networks: readonly Cidr[] = Array.from({ length: 40_000 }, (_, i) =>
  i % 2 === 0
    ? { bytes: Uint8Array.of(5, i >> 11, (i >> 3) & 255, (i & 6) << 5), prefix: 24 + (i % 4) }
    : { bytes: Uint8Array.of(0x2a, 0, i >> 8, i & 255, ...Array<number>(12).fill(0)), prefix: 32 },
);
const german = placeOf({ country: "DE" });
const toUs = (percent: number) => ({ from: "eu-west", to: "us-east", percent });

/** Networks that a config moves, by the region that comes first instead. */
function movedBy(rules: SteeringRules, place: Place = german): Map<string, Set<string>> {
  const moved = new Map<string, Set<string>>();
  for (const network of networks) {
    const { regions, shift } = steer(place, network, rules);
    if (!shift) continue;
    expect(regions[0]).toBe(shift.to);
    const [first = ""] = regions;
    moved.set(first, (moved.get(first) ?? new Set()).add(formatCidr(network)));
  }
  return moved;
}
const shareOf = (moved: ReadonlySet<string> | undefined) => ((moved?.size ?? 0) / networks.length) * 100;

describe("a shift", () => {
  it.each([0, 1, 10, 12.5, 50, 99, 100])("of %d %% moves that share of the networks", (percent) => {
    expect(Math.abs(shareOf(movedBy(rulesWith(toUs(percent))).get("us-east")) - percent)).toBeLessThan(0.6);
  });

  it("of 0 % moves nobody, of 100 % everybody", () => {
    expect(movedBy(rulesWith(toUs(0))).size).toBe(0);
    expect(movedBy(rulesWith(toUs(100))).get("us-east")?.size).toBe(new Set(networks.map(formatCidr)).size);
  });

  it("that grows moves the difference alone: whoever is moved stays moved", () => {
    const [ten, fifteen] = [10, 15].map((percent) => movedBy(rulesWith(toUs(percent))).get("us-east")!);
    expect(ten!.isSubsetOf(fifteen!)).toBe(true);
    expect(Math.abs(shareOf(fifteen) - shareOf(ten) - 5)).toBeLessThan(0.6);
  });

  it("keeps the rest of the list behind the other region", () => {
    const { regions, rule, shift } = steer(german, networks[0]!, rulesWith(toUs(100)));
    expect(regions).toEqual(["us-east", "eu-west"]);
    expect(rule).toBe("continent EU, 100 % of eu-west shifted to us-east");
    expect(shift).toMatchObject(toUs(100));
    const elsewhere = steer(german, networks[0]!, rulesWith({ from: "eu-west", to: "ap-south", percent: 100 }));
    expect(elsewhere.regions).toEqual(["ap-south", "eu-west", "us-east"]);
  });

  it.each([
    { name: "other places", shift: { ...toUs(100), countries: ["FR"] }, place: german, moves: false },
    { name: "its country", shift: { ...toUs(100), countries: ["FR", "DE"] }, place: german, moves: true },
    { name: "its continent", shift: { ...toUs(100), continents: ["EU"] }, place: german, moves: true },
    { name: "another continent", shift: { ...toUs(100), continents: ["SA"] }, place: german, moves: false },
    { name: "a region that is not first", shift: toUs(100), place: placeOf({ country: "US" }), moves: false },
    {
      name: "places unknown",
      shift: { ...toUs(100), countries: ["DE"] },
      place: placeOf({ continent: "EU" }),
      moves: false,
    },
  ])("goes by the place: $name", ({ shift, place, moves }) => {
    expect(movedBy(rulesWith(shift), place).size > 0).toBe(moves);
  });

  it("takes a network once, and two shifts take networks that have nothing to do with each other", () => {
    const toAp = { from: "eu-west", to: "ap-south", percent: 20 };
    const both = movedBy(rulesWith(toUs(50), toAp, { from: "us-east", to: "eu-west", percent: 100 }));
    expect(Math.abs(shareOf(both.get("us-east")) - 50)).toBeLessThan(0.8);
    expect(Math.abs(shareOf(both.get("ap-south")) - 10)).toBeLessThan(0.6); // 20 % of those that are left
    expect(both.get("ap-south")!.isSubsetOf(movedBy(rulesWith(toAp)).get("ap-south")!)).toBe(true);
  });

  it("leaves the networks alone that a rule names", () => {
    const { regions, steering } = rulesWith(toUs(100));
    const ruled = { regions, steering: { ...steering, networks: { "5.0.0.0/8": ["eu-west"] } } };
    const client = { place: german, cidr: networks[0]!, key: networks[0]!.bytes };
    expect(steerClient(client, ruled)).toMatchObject({ regions: ["eu-west"], shift: null });
    expect(steerClient({ ...client, key: networks[1]!.bytes }, ruled).regions[0]).toBe("us-east");
  });

  it("chooses the same networks in every process and version", () => {
    const first = networks.slice(0, 40).map((network) => (steer(german, network, rulesWith(toUs(50))).shift ? 1 : 0));
    expect(first.join("")).toBe("0111000000110010101000110111001000010100");
  });
});
