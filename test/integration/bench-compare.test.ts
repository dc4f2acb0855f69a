import { execFile } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

const launcher = path.resolve(import.meta.dirname, "../../watershed");

function run(...words: string[]): Promise<{ code: number; out: string; said: string }> {
  return new Promise((resolve) => {
    execFile(launcher, ["bench", "compare", ...words], (error, out, said) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, said });
    });
  });
}

describe("bench compare", () => {
  it("gives every algorithm the same requests, and weights their shares", async () => {
    const { code, out } = await run(
      "weighted",
      "round-robin",
      "--servers",
      "2:1",
      "--weights",
      "2:1",
      "--for",
      "1s",
      "--json",
    );
    const { seed, results } = JSON.parse(out) as { seed: number; results: Record<string, number & number[]>[] };
    const [weighted, even] = results;
    expect([code, seed, results.map(({ algorithm }) => algorithm)]).toEqual([0, 1, ["weighted", "round-robin"]]);
    expect(weighted!["requests"]).toBe(even!["requests"]);
    expect(weighted!["requests"]).toBeGreaterThan(30);
    const [first, second] = weighted!["byServer"]!;
    expect(first! / second!).toBeCloseTo(2, 0);
    expect(Math.abs(even!["byServer"]![0]! - even!["byServer"]![1]!)).toBeLessThanOrEqual(1);
  });

  it.each([
    { words: ["random"], says: "name two algorithms or more, each once" },
    { words: ["random", "random"], says: "name two algorithms or more, each once" },
    { words: ["random", "quickest"], says: "Allowed choices are round-robin" },
    { words: ["random", "weighted", "--servers", "5:x"], says: "expected up to 16 numbers such as 5:2:2" },
    {
      words: ["random", "weighted", "--servers", "1:1", "--weights", "1"],
      says: "--weights names 1 servers, --servers 2",
    },
    { words: ["random", "weighted", "--for", "1h"], says: "--for: 120s at most" },
  ])("refuses $words: $says", async ({ words, says }) => {
    expect(await run(...words)).toMatchObject({ code: 2, out: "", said: expect.stringContaining(says) as string });
  });
});
