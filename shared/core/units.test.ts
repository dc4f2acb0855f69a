import { describe, expect, it } from "vitest";
import { parseBytes } from "./bytes.ts";
import { formatDuration, parseDurationMs } from "./duration.ts";
import { hash32 } from "./hash.ts";
import { seededRandom } from "./random.ts";

describe("durations", () => {
  for (const [text, ms] of [
    ["500ms", 500],
    ["10s", 10_000],
    ["1.5s", 1_500],
    ["5m", 300_000],
    ["1h", 3_600_000],
    ["7d", 604_800_000],
  ] as const) {
    it(`${text} is ${ms} ms`, () => expect(parseDurationMs(text)).toBe(ms));
    it(`${ms} ms comes back`, () => expect(parseDurationMs(formatDuration(ms))).toBe(ms));
  }
  for (const text of ["10", "s", "-1s", "1 s", "1e3s", "1w", ""])
    it(`${JSON.stringify(text)} is refused`, () => expect(parseDurationMs(text)).toBeUndefined());
});

describe("sizes", () => {
  for (const [text, bytes] of [
    ["512B", 512],
    ["16KiB", 16_384],
    ["10MiB", 10_485_760],
    ["1GB", 1_000_000_000],
  ] as const)
    it(`${text} is ${bytes} bytes`, () => expect(parseBytes(text)).toBe(bytes));
  for (const text of ["16", "16K", "-1B", "16 KiB"])
    it(`${text} is refused`, () => expect(parseBytes(text)).toBeUndefined());
});

describe("chance", () => {
  it("repeats under its seed and differs under another", () => {
    const draw = (seed: number) => Array.from({ length: 5 }, seededRandom(seed));
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it("is uniform enough: each tenth gets a tenth", () => {
    const random = seededRandom(1);
    const tenths = Array<number>(10).fill(0);
    for (let i = 0; i < 100_000; i++) tenths[Math.floor(random() * 10)]!++;
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });
});

describe("hash32", () => {
  it("spreads neighbours over all bits", () => {
    const buckets = Array<number>(64).fill(0);
    for (let i = 0; i < 64_000; i++) buckets[hash32(`127.0.${i >> 8}.${i & 255}`) >>> 26]!++;
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(150);
  });
});
