import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { Peer } from "./peer.ts";

const peer = new Peer();
function addressOf(text: string): Uint8Array {
  peer.take(text);
  return Uint8Array.from(peer.address);
}

describe("the address of a peer", () => {
  it("is that of its text, whatever it is", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    // Zeros in a row are written as "::".
    const sparse = fc
      .array(fc.constantFrom(0, 0, 1, 0xfe), { minLength: 16, maxLength: 16 })
      .map((list) => Uint8Array.from(list));
    fc.assert(
      fc.property(fc.oneof(bytes, sparse), (address) => {
        expect(addressOf(formatAddress(address))).toEqual(address);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    "::",
    "::1",
    "1::",
    "2001:db8::",
    "fe80::1",
    "::ffff:192.0.2.1",
    "64:ff9b::192.0.2.33",
    "1:2:3:4:5:6:7:8",
    "1:0:0:4::8",
  ])("%s", (text) => {
    expect(addressOf(text)).toEqual(parseAddress(text));
  });

  it("of a link comes with its interface", () => {
    expect(addressOf("fe80::5%eth0")).toEqual(parseAddress("fe80::5"));
  });

  it.each(["nobody", "/run/socket", "1:2:3", "1:2:3:4:5:6:7:8:9:a:b", "::1.2.3", "1:2:3:4:5:6:7:192.0.2.1"])(
    "%s is none: it counts as 0.0.0.0",
    (text) => {
      expect(addressOf(text)).toEqual(new Uint8Array(4));
    },
  );
});
