import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress, parseCidr } from "./cidr.ts";
import { embeddedIpv4, embeddingFormOf, plainPrefix } from "./embedded-ipv4.ts";

const mapped = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1]);

describe("the IPv4 address in an IPv6 address", () => {
  it.each([
    { address: parseAddress("2002:c000:201::5")!, kind: "6to4", carries: "192.0.2.1", offset: 16 },
    // The example of RFC 4380 §5.2.9, with the client's address turned over.
    {
      address: parseAddress("2001:0:4136:e378:8000:63bf:3fff:fdd2")!,
      kind: "teredo",
      carries: "192.0.2.45",
      offset: 96,
    },
    { address: parseAddress("64:ff9b::c000:201")!, kind: "nat64", carries: "192.0.2.1", offset: 96 },
    { address: parseAddress("::c000:201")!, kind: "compatible", carries: "192.0.2.1", offset: 96 },
    { address: mapped, kind: "mapped", carries: "192.0.2.1", offset: 96 },
  ])("$kind carries $carries", ({ address, kind, carries, offset }) => {
    const found = embeddedIpv4(address);
    expect(found).toMatchObject({ kind, offset });
    expect(formatAddress(found!.address)).toBe(carries);
  });

  it.each(["2001:db8::1", "2003::1", "2001:1::1", "64:ff9b:1::1", "64:ff9b::1:0:0", "::1:0:0:1", "192.0.2.1"])(
    "there is none in %s",
    (text) => {
      expect(embeddedIpv4(parseAddress(text)!)).toBeUndefined();
    },
  );

  it.each([
    { address: "2003::1", prefix: 16 },
    { address: "2001:db8::1", prefix: 21 },
    { address: "3000::", prefix: 4 },
    { address: "192.0.2.1", prefix: 0 },
  ])("no address in the first $prefix bits of $address carries one", ({ address, prefix }) => {
    expect(plainPrefix(parseAddress(address)!)).toBe(prefix);
  });

  it.each([
    { network: "2002::/16", kind: "6to4" },
    { network: "2001:0:4136::/48", kind: "teredo" },
    { network: "2001::/16", kind: undefined },
    { network: "2001:db8::/32", kind: undefined },
    { network: "10.0.0.0/8", kind: undefined },
  ])("$network lies in $kind", ({ network, kind }) => {
    expect(embeddingFormOf(parseCidr(network)!)?.kind).toBe(kind);
  });
});
