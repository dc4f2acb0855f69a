import { describe, expect, it } from "vitest";
import { seededRandom } from "#shared/core/random.ts";
import { jointOrders } from "./joint-order.ts";
import { ordersOf } from "./order.ts";

describe("the order of addresses", () => {
  const addresses = [
    { address: "a", weight: 5 },
    { address: "b", weight: 1 },
    { address: "c", weight: 1 },
  ];
  const orders = (balance: Parameters<typeof ordersOf>[0], count: number, of = addresses) =>
    ordersOf(balance, of, count, seededRandom(7)).map((order) => order.map(({ address }) => address).join(""));

  it("round-robin: each is first in turn", () => {
    expect(orders("round-robin", 2)).toEqual(["ab", "bc", "ca"]);
  });

  it("weighted: first places by weight, evenly spread", () => {
    const firsts = orders("weighted", 1).join("");
    expect(["a", "b", "c"].map((letter) => firsts.split(letter).length - 1)).toEqual([5, 1, 1]);
    expect(firsts + firsts).not.toContain("aaaaa");
  });

  it("weighted: no more orders than are kept, shares within two percent", () => {
    const firsts = orders("weighted", 1, [
      { address: "a", weight: 701 },
      { address: "b", weight: 299 },
    ]);
    expect(firsts.length).toBeLessThanOrEqual(64);
    expect(firsts.filter((first) => first === "a").length / firsts.length).toBeCloseTo(0.7, 1);
  });

  it("random: all come first as often, in another order each time, none twice in one answer", () => {
    const taken = orders("random", 3);
    for (const letter of "abc")
      expect(taken.filter((text) => text.startsWith(letter))).toHaveLength(taken.length / addresses.length);
    expect(taken.every((text) => new Set(text).size === 3)).toBe(true);
    expect(new Set(taken).size).toBe(6);
    expect(taken.slice(0, 3)).not.toEqual(taken.slice(3, 6));
  });

  it.each(["round-robin", "weighted", "random"] as const)(
    "%s: without addresses there is one empty order",
    (balance) => {
      expect(orders(balance, 2, [])).toEqual([""]);
    },
  );
});

describe("the orders of an answer of several regions", () => {
  const part = (weight: number, ...addresses: readonly string[]) => ({
    weight,
    addresses: addresses.map((address) => ({ address, weight: 1 })),
  });
  const joint = (parts: readonly ReturnType<typeof part>[], total: number) =>
    jointOrders(parts, total, "round-robin", seededRandom(7)).map((order) =>
      order.map(({ address }) => address).join(" "),
    );

  it("begin with each region in turn, and within it with each address", () => {
    expect(joint([part(1, "a1", "a2"), part(1, "b1", "b2")], 2)).toEqual(["a1 b1", "b1 a1", "a2 b2", "b2 a2"]);
  });

  it.each([
    { weights: [1, 3], share: 0.75 },
    { weights: [0.5, 1], share: 2 / 3 },
    { weights: [1, 1.8], share: 1.8 / 2.8 },
    { weights: [1, 1_000], share: 1 },
  ])("begin with a region as often as its capacity says: $weights", ({ weights, share }) => {
    const [a = 1, b = 1] = weights;
    const orders = joint([part(a, "a1", "a2"), part(b, "b1", "b2")], 2);
    expect(orders.length).toBeLessThanOrEqual(64);
    const first = orders.filter((order) => order.startsWith("b")).length / orders.length;
    expect(Math.abs(first - share)).toBeLessThan(0.02);
  });

  it("hold as many of each region as there are", () => {
    expect(joint([part(1, "a1"), part(1, "b1", "b2", "b3")], 3)).toEqual([
      "a1 b1 b2",
      "b1 b2 a1",
      "a1 b2 b3",
      "b2 b3 a1",
      "a1 b3 b1",
      "b3 b1 a1",
    ]);
  });

  it.each([
    { name: "none has addresses", parts: [part(1), part(1)], orders: [""] },
    { name: "there is no region", parts: [], orders: [""] },
    { name: "one has addresses", parts: [part(1), part(9, "b1", "b2")], orders: ["b1 b2", "b2 b1"] },
  ])("$name", ({ parts, orders }) => {
    expect(joint(parts, 2)).toEqual(orders);
  });
});
