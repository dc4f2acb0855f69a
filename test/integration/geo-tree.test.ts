import { beforeAll, describe, expect, it } from "vitest";
import { locateByPath } from "#shared/config/origin.ts";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import { seededRandom } from "#shared/core/random.ts";
import { geoPartsOf, openGeo } from "#geodns/geo-tree/source.ts";
import type { GeoParts } from "#geodns/geo-tree/source.ts";
import { depthOf, valueOf } from "#geodns/geo-tree/tree.ts";
import { steerClient } from "#geodns/steer/regions.ts";

const addresses = 1_000_000;
const rules = geodnsSchema.parse({
  listen: ["127.0.0.1:0"],
  geo: { networks: { "127.49.0.0/16": { country: "DE" }, "2001:db8:7::/48": { country: "JP" } } },
  regions: {
    "eu-west": { location: [53.35, -6.26] },
    "us-east": { location: [38.95, -77.45] },
    "ap-south": { location: [1.35, 103.82] },
  },
  steering: {
    networks: { "5.6.0.0/16": ["us-east"], "5.6.7.0/24": ["ap-south"], "2a00::/12": ["ap-south", "us-east"] },
    countries: { BR: ["us-east", "eu-west"] },
    continents: { EU: ["eu-west", "us-east"] },
    shift: [{ from: "eu-west", to: "us-east", percent: 20, countries: ["DE", "FR"] }],
  },
  dnsZones: {},
});
let parts: GeoParts;

beforeAll(async () => {
  const opened = await openGeo(rules.geo, locateByPath);
  parts = await geoPartsOf(opened, { geo: rules.geo, rules });
});

describe("the compiled tree agrees with the database", () => {
  /** Half of them anywhere, half in what is allocated. */
  it.each([
    { family: "IPv4", bytes: 4, first: (random: () => number) => Math.floor(random() * 256) },
    {
      family: "IPv6",
      bytes: 16,
      first: (random: () => number) => (random() < 0.5 ? 0x20 + Math.floor(random() * 16) : Math.floor(random() * 256)),
    },
  ])("for a million random addresses of $family", ({ bytes, first }) => {
    const { tree, lists, geo } = parts;
    const random = seededRandom(7);
    const address = new Uint8Array(bytes);
    const wrong: string[] = [];
    for (let i = 0; i < addresses; i++) {
      for (let j = 0; j < bytes; j++) address[j] = Math.floor(random() * 256);
      address[0] = first(random);
      const found = tree.find(address);
      const located = geo.placeOf(address);
      const expected = steerClient(located, rules).regions;
      const isSame = lists[valueOf(found)]?.join() === expected.join();
      // Neighbours with the same regions are merged, so that a scope may be wider than a network. It is narrower only
      // beside a network that a rule names.
      const mayBeNarrower = bytes === 4 && address[0] === 5;
      if (!isSame || (depthOf(found) > located.prefix && !mayBeNarrower)) wrong.push(formatAddress(address));
    }
    expect(wrong.slice(0, 10)).toEqual([]);
  });
});
