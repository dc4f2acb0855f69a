import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  cidrContains,
  formatAddress,
  formatCidr,
  maskAddress,
  parseAddress,
  parseCidr,
  parseSocketAddress,
} from "./cidr.ts";

describe("addresses", () => {
  for (const [text, canonical] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["::ffff:10.1.2.3", "10.1.2.3"],
  ] as const)
    it(`${text} is ${canonical}`, () => expect(formatAddress(parseAddress(text)!)).toBe(canonical));

  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.5",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "g::",
    "1:2:3:4:5:6:7:8:9",
    "::1%lo",
    "12345::",
  ])
    it(`${JSON.stringify(text)} is no address`, () => expect(parseAddress(text)).toBeUndefined());

  it("come back from their text", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes, (address) => {
        const text = formatAddress(address);
        expect(formatAddress(parseAddress(text)!)).toBe(text);
      }),
    );
  });
});

describe("networks", () => {
  it("hold the addresses that share their prefix, and no others", () => {
    const network = parseCidr("10.32.0.0/11")!;
    expect(cidrContains(network, parseAddress("10.63.255.255")!)).toBe(true);
    expect(cidrContains(network, parseAddress("10.64.0.0")!)).toBe(false);
    expect(cidrContains(network, parseAddress("::")!)).toBe(false);
  });

  it("of prefix 0 hold every address of their family", () => {
    expect(cidrContains(parseCidr("0.0.0.0/0")!, parseAddress("255.255.255.255")!)).toBe(true);
  });

  it("of a lone address hold that address", () => expect(formatCidr(parseCidr("192.0.2.7")!)).toBe("192.0.2.7/32"));

  for (const text of ["10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::1/64", "x/8"])
    it(`${text} is refused`, () => expect(parseCidr(text)).toBeUndefined());

  it("a masked address is the network that holds it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(128), (bytes, prefix) => {
        const network = { bytes: maskAddress(bytes, prefix), prefix };
        expect(cidrContains(network, bytes)).toBe(true);
        expect(parseCidr(`${formatAddress(network.bytes)}/0`) === undefined).toBe(
          network.bytes.some((byte) => byte !== 0),
        );
      }),
    );
  });
});

describe("socket addresses", () => {
  it("of IPv6 stand in brackets", () => expect(parseSocketAddress("[::1]:53")).toEqual({ host: "::1", port: 53 }));
  for (const text of ["127.0.0.1", "127.0.0.1:65536", "localhost:80", "::1:53", "[127.0.0.1]:80", ":80"])
    it(`${text} is refused`, () => expect(parseSocketAddress(text)).toBeUndefined());
});
