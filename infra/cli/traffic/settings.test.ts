import { describe, expect, it } from "vitest";
import { chooseMix, chooseSources } from "./settings.ts";

const known = ["DE", "US", "JP", "EG"];

describe("the countries of the traffic", () => {
  it.each([
    { from: ["DE=20", "US=10"], rate: undefined, rates: { DE: 20, US: 10 } },
    { from: ["DE=20", "US", "JP"], rate: undefined, rates: { DE: 20, US: 10, JP: 10 } },
    { from: ["DE=20", "US"], rate: 5, rates: { DE: 20, US: 5 } },
    { from: ["81.2.69.142=1"], rate: undefined, rates: { "81.2.69.142": 1 } },
    { from: [], rate: 30, rates: { DE: 10, US: 10, JP: 10 } },
  ])("are $rates of --from $from --rate $rate", ({ from, rate, rates }) => {
    const chosen = chooseSources(from, rate, known);
    expect(Object.fromEntries(chosen.map((one) => [one.from, one.ratePerSecond]))).toEqual(rates);
  });

  it("are the first that there is, where none of the usual ones is", () => {
    expect(chooseSources([], undefined, ["EG", "ZA"])).toEqual([{ from: "EG", ratePerSecond: 20 }]);
  });

  it.each([
    { from: ["DE=20", "de=1"], rate: undefined, says: "--from DE is there twice" },
    { from: ["DE=20"], rate: 5, says: "every country has a rate of its own" },
    { from: ["DE=1500", "US=501"], rate: undefined, says: "2001 requests a second are too many: 2000 at most" },
    { from: ["DE=x"], rate: undefined, says: "expected requests a second" },
  ])("are refused where $says", ({ from, rate, says }) => {
    expect(() => chooseSources(from, rate, known)).toThrow(says);
  });
});

describe("the mix", () => {
  it("is what was said, or the usual one", () => {
    expect(chooseMix(["POST /a 3"])).toEqual([{ method: "POST", path: "/a", weight: 3 }]);
    expect(chooseMix([]).length).toBeGreaterThan(3);
    expect(() => chooseMix(Array.from({ length: 65 }, () => "/a"))).toThrow("64 at most");
  });
});
