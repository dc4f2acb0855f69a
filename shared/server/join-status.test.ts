import { describe, expect, it } from "vitest";
import { joinStatus } from "./join-status.ts";

const own = {
  state: "ready",
  revision: 3,
  active: 1,
  pools: [
    {
      name: "web",
      eligible: 2,
      endpoints: [
        { address: "a", active: 2, weight: 5 },
        { address: "b", active: 0 },
      ],
    },
  ],
  upstream: { web: 4 },
};
const other = {
  revision: 3,
  active: 10,
  pools: [
    {
      name: "web",
      eligible: 2,
      endpoints: [
        { address: "b", active: 7 },
        { address: "a", active: 20 },
      ],
    },
  ],
  upstream: { web: 40, gone: 1 },
};

describe("the status of several processes", () => {
  it("is that of the first one, with what is under way in all of them", () => {
    const counted = new Set(["active", "upstream"]);
    expect(joinStatus(own, [other, { active: 100 }, undefined], counted)).toEqual({
      ...own,
      active: 111,
      pools: [
        {
          name: "web",
          eligible: 2,
          endpoints: [
            { address: "a", active: 22, weight: 5 },
            { address: "b", active: 7 },
          ],
        },
      ],
      upstream: { web: 44 },
    });
  });
});
