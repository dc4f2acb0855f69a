import { describe, expect, it } from "vitest";
import { judge, parseClaim } from "./claim.ts";

const output = `measured with seed 7
algorithm           a   b  p99 ms  worst
round-robin        25  25     120  a
least connections  10           4  b

tier          nodes ready  not up
name servers          2/2
routers               3/4  l7-1 down
 295 requests   0 failed
`;

const cases: readonly { claim: string; holds: boolean; exitCode?: number }[] = [
  { claim: "says 295 requests", holds: true },
  { claim: "says 296 requests", holds: false },
  { claim: "says /^round-robin +25/", holds: true },
  { claim: "never says error", holds: true },
  { claim: "never says /\\d failed/", holds: false },
  { claim: "exit 1", holds: false },
  { claim: "exit 2", holds: true, exitCode: 2 },
  { claim: "round-robin: a = 25", holds: true },
  { claim: "round-robin: a = 26", holds: false },
  { claim: "round-robin: worst = a", holds: true },
  { claim: "round-robin: worst = b", holds: false },
  { claim: "round-robin: p99 ms <= 120", holds: true },
  { claim: "round-robin: p99 ms < 120", holds: false },
  { claim: "round-robin: p99 ms > 29 × least connections: p99 ms", holds: true },
  { claim: "round-robin: p99 ms > 31 × least connections: p99 ms", holds: false },
  { claim: "round-robin: a = round-robin: b", holds: true },
  { claim: "routers: nodes ready = 3/4", holds: true },
  { claim: "routers: not up = l7-1 down", holds: true },
  { claim: "/(\\d+) failed/ = 0", holds: true },
  { claim: "/(\\d+) failed/ >= 1", holds: false },
];

describe("a claim", () => {
  it.each(cases)("$claim: $holds", ({ claim, holds, exitCode = 0 }) => {
    expect(judge(parseClaim(claim, "x.md:1"), { output, exitCode }).holds).toBe(holds);
  });

  it.each([
    ["of an empty cell", "least connections: b = 0"],
    ["of a row that there is not", "random: a >= 0"],
    ["of a column that there is not", "round-robin: c >= 0"],
    ["of an expression that matches nothing", "/(\\d+) lost/ = 0"],
    ["against a cell that there is not", "round-robin: a <= random: a"],
  ])("%s does not hold", (_, claim) => {
    expect(judge(parseClaim(claim, "x.md:1"), { output, exitCode: 0 }).holds).toBe(false);
  });

  it("tells what was found instead", () => {
    const claim = parseClaim("round-robin: a = 26", "x.md:1");
    expect(judge(claim, { output, exitCode: 0 }).found).toBe("25");
  });

  it("that cannot be read is refused with its place", () => {
    expect(() => parseClaim("roughly half", "x.md:9")).toThrow('x.md:9: "roughly half" is no claim');
  });
});
