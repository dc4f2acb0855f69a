import { describe, expect, it } from "vitest";
import { UsageError } from "#shared/core/error.ts";
import { adminAddress } from "../name-servers.ts";
import { dnsText, placesText } from "./dns.ts";
import type { DnsTold, PlaceTold } from "./schema.ts";

const told: DnsTold = {
  name: "api.stream.test",
  type: "A",
  client: "127.0.0.1",
  ecs: "2002:7f31:7::/48",
  decidedBy: "ecs",
  source: {
    kind: "override",
    network: "127.49.0.0/16",
    prefix: 32,
    embedded: { kind: "6to4", address: "127.49.0.7" },
  },
  place: { country: "DE", continent: "EU", location: [51.1, 10.4], asn: 3320 },
  service: "web",
  rule: "continent EU, 10 % of eu-west shifted to us-east",
  reason: "REGION_FAILOVER",
  list: ["us-east", "eu-west"],
  shift: { from: "eu-west", to: "us-east", percent: 10 },
  regions: [
    {
      region: "us-east",
      chosen: false,
      healthy: false,
      reason: "DRAINING",
      override: "drain",
      changing: false,
      addresses: [{ address: "127.12.0.1", weight: 1, state: "draining", reason: "DRAINING", override: null }],
    },
    {
      region: "eu-west",
      chosen: true,
      healthy: true,
      reason: "OK",
      override: null,
      changing: true,
      addresses: [{ address: "127.11.0.1", weight: 3, state: "up", reason: "FORCED_UP", override: "up" }],
    },
  ],
  rcode: "NOERROR",
  chain: ["api.stream.test"],
  answer: ["127.11.0.1"],
  ttl: 5,
  ttlReason: "CHANGING",
  scope: 32,
  dnssec: { dnsZone: "stream.test", keys: [6_775], rcode: "NOERROR" },
};

describe("explain dns", () => {
  it("shows every step, then each region and address with its state", () => {
    expect(dnsText(told, "ns1").split("\n")).toEqual([
      "asked    ns1: api.stream.test A",
      "client   127.0.0.1, with the client subnet 2002:7f31:7::/48, which decides",
      "place    DE, EU, 51.1 10.4, AS3320, by override 127.49.0.0/16, as 127.49.0.7 (6to4)",
      "rule     continent EU, 10 % of eu-west shifted to us-east",
      "regions  us-east, eu-west",
      "outcome  web → eu-west (REGION_FAILOVER)",
      "alias    api.stream.test → …",
      "answer   127.11.0.1",
      "TTL      5 s (CHANGING: lower while a region's state may change)",
      "scope    /32",
      "signed   for who sets DO, by stream.test key 6775",
      "",
      "   region        state     reason     forced  weight",
      "   us-east       down      DRAINING   drain",
      "     127.12.0.1  draining  DRAINING                1",
      "→  eu-west       changing  OK",
      "     127.11.0.1  up        FORCED_UP  up           3",
      "",
    ]);
  });

  it("shows what is not steered without regions", () => {
    const refused: DnsTold = {
      ...told,
      source: null,
      place: null,
      decidedBy: null,
      rule: "outside every DNS zone",
      reason: "NOT_OUR_ZONE",
      list: [],
      regions: [],
      rcode: "REFUSED",
      chain: [],
      answer: [],
      ttl: null,
      scope: 0,
      dnssec: null,
    };
    expect(dnsText(refused, "ns1").split("\n").slice(2)).toEqual([
      "rule     outside every DNS zone",
      "outcome  REFUSED (NOT_OUR_ZONE)",
      "answer   REFUSED, no records",
      "scope    /0: the same for every client",
      "",
    ]);
  });

  it("shows that a name which is not there is proved to be so, with another code", () => {
    const dnssec = { dnsZone: "stream.test", keys: [1, 2], rcode: "NOERROR" };
    expect(dnsText({ ...told, rcode: "NXDOMAIN", dnssec }, "ns1")).toContain(
      "signed   for who sets DO, by stream.test key 1, 2; then NOERROR, with a proof in place of NXDOMAIN\n",
    );
  });
});

describe("geo", () => {
  it("shows one row an address", () => {
    const nowhere = { country: null, continent: null, location: null, asn: null };
    const place: PlaceTold = {
      address: "192.0.2.1",
      source: { kind: "none", network: null, prefix: 24, embedded: null },
      place: nowhere,
      rule: "default list",
      shift: null,
      list: ["us-east"],
      scope: 8,
    };
    expect(placesText([place])).toBe(
      "address    place                        regions  rule          scope\n" +
        "192.0.2.1  unknown, no source knows it  us-east  default list     /8\n",
    );
  });
});

describe("the URL of an admin listener", () => {
  it.each([
    { text: "http://127.0.0.1:5380", address: "127.0.0.1:5380" },
    { text: "http://127.0.0.1:5380/", address: "127.0.0.1:5380" },
    { text: "127.0.0.1:5380", address: "127.0.0.1:5380" },
    { text: "http://[::1]:5380", address: "[::1]:5380" },
  ])("$text", ({ text, address }) => {
    expect(adminAddress(text)).toBe(address);
  });

  it.each(["", "http://127.0.0.1", "https://127.0.0.1:1", "ns1:5380", "127.0.0.1:0"])("is not %j", (text) => {
    expect(() => adminAddress(text)).toThrow(UsageError);
  });
});
