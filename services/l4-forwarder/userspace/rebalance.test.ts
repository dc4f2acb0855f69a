import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { addressOf, endpointsOf, testPool } from "#test/support/pool.ts";
import { connectionsToMove } from "./rebalance.ts";

const minute = 60_000;
const connectionsOf = (counts: readonly number[], ageMs = minute) =>
  counts.flatMap((count, i) => Array.from({ length: count }, () => ({ server: addressOf(i + 1), ageMs })));

describe("rebalancing", () => {
  const cases = [
    { name: "moves from the full to the new, as many as it may", counts: [50, 50, 0], max: 5, moved: 5 },
    { name: "moves no more than is over the share", counts: [12, 8], max: 100, moved: 0 },
    { name: "leaves an even pool alone", counts: [30, 30, 30], max: 100, moved: 0 },
    { name: "stops where the rest is nearly even", counts: [40, 0], max: 100, moved: 17 },
    { name: "leaves young connections alone", counts: [50, 0], ageMs: minute - 1, max: 100, moved: 0 },
    { name: "has nothing to move where there is nothing", counts: [0, 0], max: 100, moved: 0 },
  ];
  it.each(cases)("$name", ({ counts, max, moved, ageMs = minute }) => {
    const { pool } = testPool({ endpoints: endpointsOf(...counts.map(() => ({}))) });
    const rules = { olderThanMs: minute, max };
    const found = connectionsToMove(connectionsOf(counts, ageMs), pool.endpoints, rules, seededRandom(1));
    expect(found).toHaveLength(moved);
  });

  it("goes by weight", () => {
    const { pool } = testPool({ endpoints: endpointsOf({ weight: 9 }, { weight: 1 }) });
    const rules = { olderThanMs: minute, max: 100 };
    expect(connectionsToMove(connectionsOf([90, 10]), pool.endpoints, rules, seededRandom(1))).toEqual([]);
  });

  it("does nothing while nobody is eligible", () => {
    const { pool } = testPool({ endpoints: endpointsOf({}) });
    pool.setEndpointState(addressOf(1), "disabled");
    expect(connectionsToMove(connectionsOf([9]), pool.endpoints, { olderThanMs: 0, max: 9 }, seededRandom(1))).toEqual(
      [],
    );
  });
});
