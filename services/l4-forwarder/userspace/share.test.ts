import { describe, expect, it } from "vitest";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { shareOf, shareOfLimits, shareOfListener } from "./share.ts";

const config = (listener: Record<string, unknown>, more: Record<string, unknown> = {}) =>
  l4ForwarderSchema.parse({
    listeners: [{ address: "127.0.0.1:7001", pool: "web", ...listener }],
    pools: { web: { endpoints: [] } },
    ...more,
  });

describe("the share of one process of several", () => {
  it.each([
    { limit: 8, workers: 2, share: 4 },
    { limit: 9, workers: 2, share: 5 },
    { limit: 1, workers: 4, share: 1 },
    { limit: 7, workers: 1, share: 7 },
  ])("of $limit with $workers processes is $share", ({ limit, workers, share }) => {
    expect(shareOf(limit, workers)).toBe(share);
  });

  it("is taken of every limit of a client, and none of what has no limit", () => {
    const { limits } = config({}, { limits: { connectionsPerClient: 10, burst: 3 } });
    expect(shareOfLimits(limits, 2)).toEqual({ connectionsPerClient: 5, burst: 2 });
    expect(shareOfLimits(limits, 1)).toBe(limits);
  });

  it("is taken of every limit of a listener", () => {
    const capped = { connectionsPerServer: 10, queue: { length: 64 }, rebalance: { perSecond: 4 } };
    const [listener] = config(capped).listeners;
    const share = shareOfListener(listener!, 4);
    expect(share).toMatchObject({ connectionsPerServer: 3, queue: { length: 16 }, rebalance: { perSecond: 1 } });
    expect(shareOfListener(listener!, 1)).toBe(listener);
    const [plain] = config({}).listeners;
    expect(shareOfListener(plain!, 4)).toEqual(plain);
  });

  it("is taken of no port that each process would choose for itself", () => {
    expect(() => config({ address: "127.0.0.1:0" }, { workers: 2 })).toThrow(
      "port 0 cannot be shared by several workers",
    );
  });
});
