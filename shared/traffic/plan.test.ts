import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { drawGapMs, drawMix, parseMixEntry, parseRate, parseSource, scaleRates, seedOf } from "./plan.ts";

describe("a kind of request", () => {
  it.each([
    { text: "/api/users", entry: { method: "GET", path: "/api/users", weight: 1 } },
    { text: "/api/users 5", entry: { method: "GET", path: "/api/users", weight: 5 } },
    { text: " POST  /api/orders?x=1 2 ", entry: { method: "POST", path: "/api/orders?x=1", weight: 2 } },
  ])("is read from $text", ({ text, entry }) => {
    expect(parseMixEntry(text)).toEqual(entry);
  });

  it.each(["", "api", "GET", "get /", "/a 0", "/a 1.5", "/a 1001", "/a 1 2", "/a#b", "GET POST /a", "/ä"])(
    "is refused: %s",
    (text) => expect(() => parseMixEntry(text)).toThrow(`request "${text}": expected`),
  );

  it("is drawn by its weight, the same ones from the same seed", () => {
    const mix = [5, 3, 2].map((weight, i) => ({ method: "GET", path: `/${i}`, weight }));
    const draw = (seed: number) => {
      const next = drawMix(mix, seededRandom(seed));
      return Array.from({ length: 10_000 }, () => next().path);
    };
    const drawn = draw(1);
    expect(draw(1)).toEqual(drawn);
    expect(draw(2)).not.toEqual(drawn);
    const shares = mix.map(({ path }) => drawn.filter((one) => one === path).length / drawn.length);
    for (const [i, share] of [0.5, 0.3, 0.2].entries()) expect(Math.abs((shares[i] ?? 0) - share)).toBeLessThan(0.015);
  });
});

describe("the gaps between requests", () => {
  it("make up the rate, and scatter as those of clients that know nothing of each other do", () => {
    const random = seededRandom(3);
    const gaps = Array.from({ length: 20_000 }, () => drawGapMs(50, random));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    expect(mean).toBeGreaterThan(19.5);
    expect(mean).toBeLessThan(20.5);
    // Of an exponential distribution e^-1 of all are longer than the mean.
    const longer = gaps.filter((gap) => gap > mean).length / gaps.length;
    expect(Math.abs(longer - Math.exp(-1))).toBeLessThan(0.01);
  });
});

describe("seeds", () => {
  it("differ from name to name and from seed to seed, and are repeatable", () => {
    const seeds = ["DE mix", "DE gap", "US mix"].flatMap((name) => [seedOf(1, name), seedOf(2, name)]);
    expect(new Set(seeds).size).toBe(6);
    expect(seedOf(1, "DE mix")).toBe(seeds[0]);
  });
});

describe("rates", () => {
  it.each([
    { rates: { DE: 20, US: 10 }, total: 60, scaled: { DE: 40, US: 20 } },
    { rates: { DE: 20, US: 10 }, total: 0, scaled: { DE: 0, US: 0 } },
    { rates: { DE: 0, US: 0 }, total: 10, scaled: { DE: 5, US: 5 } },
    { rates: {}, total: 10, scaled: {} },
  ])("of $rates become $scaled in all $total", ({ rates, total, scaled }) => {
    expect(scaleRates(rates, total)).toEqual(scaled);
  });

  it.each(["", "-1", "2001", "x", "NaN", "Infinity"])("are refused: %s", (text) => {
    expect(() => parseRate(text)).toThrow("expected requests a second, 0..2000");
  });

  it("stand behind a country, or not", () => {
    expect(parseSource("DE=0.5")).toEqual({ from: "DE", ratePerSecond: 0.5 });
    expect(parseSource("DE")).toEqual({ from: "DE", ratePerSecond: undefined });
    for (const text of ["", "=5", "DE=5=6"]) expect(() => parseSource(text)).toThrow(/such as DE=20/);
    expect(() => parseSource("DE=")).toThrow("expected requests a second");
  });
});
