import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, maskAddress, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { nowhere } from "#shared/geo/place.ts";
import type { Place } from "#shared/geo/place.ts";
import { TreeBuilder } from "./build.ts";
import { compileGeo } from "./compile.ts";
import { PrefixTree, depthOf, valueOf } from "./tree.ts";

/** A geo database of these networks; a number is an ASN, which is the region's name too. */
function treeOf(networks: readonly (readonly [cidr: string, asn: number])[]) {
  const places = networks.map(([cidr, asn]) => ({ ...parseCidr(cidr)!, place: { ...nowhere, asn } }));
  return compile(places);
}

function compile(places: readonly (Cidr & { readonly place: Place })[], rules: readonly string[] = []) {
  const compiled = compileGeo(
    {
      walk: ({ addressBytes }, visit) => {
        visit(new Uint8Array(addressBytes), 0, nowhere);
        for (const { bytes, prefix, place } of places) if (bytes.length === addressBytes) visit(bytes, prefix, place);
      },
    },
    {
      steer: ({ asn }) => [`r${asn ?? 0}`],
      networks: rules.map((text) => ({ cidr: parseCidr(text)!, regions: ["ruled"], rule: text })),
    },
  );
  const tree = new PrefixTree(compiled);
  const find = (bytes: Uint8Array) => {
    const found = tree.find(bytes);
    return { region: compiled.lists[valueOf(found)]?.[0], scope: depthOf(found) };
  };
  return { ...compiled, find, at: (address: string) => find(parseAddress(address)!) };
}

describe("the prefix tree", () => {
  const tree = treeOf([
    ["10.0.0.0/8", 1],
    ["10.1.0.0/16", 2],
    ["10.1.2.3", 3],
    ["11.0.0.0/8", 1],
    ["192.0.2.0/25", 4],
    ["192.0.2.128/25", 4],
    ["2001:db8::/32", 5],
  ]);

  it.each([
    { address: "10.200.0.1", region: "r1", scope: 9 },
    { address: "11.1.1.1", region: "r1", scope: 8 },
    { address: "10.1.2.3", region: "r2", scope: 32, asn: 3 },
    { address: "10.1.2.2", region: "r2", scope: 32 },
    { address: "10.1.128.1", region: "r2", scope: 17 },
    { address: "192.0.2.1", region: "r4", scope: 24 },
    { address: "192.0.3.1", region: "r0", scope: 24 },
    { address: "2001:db8:1::1", region: "r5", scope: 32 },
    { address: "2001:db9::1", region: "r0", scope: 32 },
  ])("$address: $scope bits decide", ({ address, region, scope, asn }) => {
    expect(tree.at(address)).toEqual({ region: asn ? `r${asn}` : region, scope });
  });

  it("is one leaf where nothing is told apart", () => {
    const plain = treeOf([["10.0.0.0/8", 0]]);
    expect(plain.at("10.1.2.3").scope).toBe(0);
    const nodes = new TreeBuilder().compact([new TreeBuilder().leaf(7)]).slots.length;
    expect(nodes).toBe(0);
  });
});

describe("networks that a rule names", () => {
  const place = { ...nowhere, asn: 1 };
  const tree = compile(
    [
      { ...parseCidr("10.0.0.0/8")!, place },
      { ...parseCidr("10.1.2.0/24")!, place: { ...nowhere, asn: 2 } },
    ],
    ["10.1.0.0/16", "2000::/8"],
  );
  it.each([
    { address: "10.1.2.3", region: "ruled", scope: 16 }, // whatever the database has in it
    { address: "10.2.0.1", region: "r1", scope: 15 },
    { address: "2001:db8::1", region: "ruled", scope: 21 }, // beside Teredo
    { address: "2002:0a02::1", region: "r1", scope: 31 }, // by the address in it
  ])("$address: $region in its /$scope", ({ address, region, scope }) => {
    expect(tree.at(address)).toEqual({ region, scope });
  });
});

describe("IPv6 addresses that hold an IPv4 address are looked up by it", () => {
  const tree = treeOf([
    ["81.2.0.0/16", 1],
    ["2000::/3", 2],
  ]);
  it.each([
    { name: "6to4", address: "2002:5102:4500::1", region: "r1", scope: 32 },
    { name: "6to4 of elsewhere", address: "2002:5103:4500::1", region: "r0", scope: 32 },
    // The client's address is turned over (RFC 4380 §4): 0xaefd is 81.2.
    { name: "Teredo", address: "2001:0:1234:5678:0:1:aefd:baff", region: "r1", scope: 112 },
    { name: "NAT64", address: "64:ff9b::5102:4500", region: "r1", scope: 112 },
    { name: "IPv4-compatible", address: "::5102:4500", region: "r1", scope: 112 },
    { name: "beside 6to4", address: "2003::1", region: "r2", scope: 16 },
    { name: "beside Teredo", address: "2001:1::1", region: "r2", scope: 32 },
  ])("$name", ({ address, region, scope }) => {
    expect(tree.at(address)).toEqual({ region, scope });
  });

  it("v4-mapped, as bytes", () => {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 81, 2, 69, 1);
    expect(tree.find(mapped)).toEqual({ region: "r1", scope: 112 });
  });
});

describe("any networks", () => {
  const networks = fc.array(
    fc.record({
      bytes: fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => bytes.map((byte) => byte & 0xc3)),
      prefix: fc.nat(32),
      asn: fc.nat(3),
    }),
    { maxLength: 30 },
  );
  const addresses = fc.array(fc.uint8Array({ minLength: 4, maxLength: 4 }), { minLength: 2, maxLength: 20 });

  it("the last that holds an address wins; scopes are equal or disjoint, the same region inside", () => {
    fc.assert(
      fc.property(networks, addresses, (list, probes) => {
        const places = list.map(({ bytes, prefix, asn }) => ({
          bytes: maskAddress(bytes, prefix),
          prefix,
          place: { ...nowhere, asn },
        }));
        const tree = compile(places);
        const found = probes.map((bytes) => ({
          bytes: bytes.map((byte) => byte & 0xc7),
          ...tree.find(bytes.map((byte) => byte & 0xc7)),
        }));
        for (const { bytes, region } of found) {
          const holds = places.filter((one) => maskAddress(bytes, one.prefix).join() === one.bytes.join());
          expect(region).toBe(`r${holds.at(-1)?.place.asn ?? 0}`);
        }
        for (const a of found)
          for (const b of found) {
            const shorter = Math.min(a.scope, b.scope);
            const overlap = maskAddress(a.bytes, shorter).join() === maskAddress(b.bytes, shorter).join();
            if (overlap) expect([b.scope, b.region], formatAddress(b.bytes)).toEqual([a.scope, a.region]);
          }
      }),
    );
  });
});
