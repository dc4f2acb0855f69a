import { describe, expect, it } from "vitest";
import { parseAddress } from "#shared/core/cidr.ts";
import { jhash, slotOfAddress } from "./jhash.ts";

/* Bob Jenkins' lookup3 has hashlittle("", 0) = 0xdeadbeef, and the kernel's jhash is the same function. The tests in
 * namespaces compare the slots with those that a running kernel chooses. */
describe("jhash", () => {
  const cases = [
    { address: "10.77.0.1", slots: 1_021 },
    { address: "fd00::11", slots: 1_021 },
    { address: "255.255.255.255", slots: 65_521 },
  ];
  it.each(cases)("gives $address one of $slots slots, always the same", ({ address, slots }) => {
    const bytes = parseAddress(address)!;
    const slot = slotOfAddress(bytes, slots);
    expect(slot).toBeGreaterThanOrEqual(0);
    expect(slot).toBeLessThan(slots);
    expect(slotOfAddress(bytes, slots)).toBe(slot);
  });

  it("spreads neighbouring addresses evenly", () => {
    const counts = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 16_384; i++) counts[slotOfAddress(Uint8Array.of(10, 0, i >> 8, i & 0xff), 16)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(900);
    expect(Math.max(...counts)).toBeLessThan(1_150);
  });

  it("depends on the seed", () => {
    expect(jhash(Uint8Array.of(1, 2, 3, 4), 1)).not.toBe(jhash(Uint8Array.of(1, 2, 3, 4), 2));
  });
});
