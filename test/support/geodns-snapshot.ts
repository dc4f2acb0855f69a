import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { GeoDatabase } from "#shared/geo/database.ts";
import { geoOf } from "#shared/geo/geo.ts";
import { compileZones } from "#geodns/compiled/zones.ts";
import { compileGeo } from "#geodns/geo-tree/compile.ts";
import { withKeys } from "#geodns/dnssec/signing.ts";
import type { Signers } from "#geodns/dnssec/signing.ts";
import { PrefixTree } from "#geodns/geo-tree/tree.ts";
import { buildIdentity, buildSnapshot } from "#geodns/snapshot.ts";
import type { AddressView, RegionView, Snapshot } from "#geodns/snapshot.ts";
import { steer } from "#geodns/steer/regions.ts";
import { types } from "#geodns/wire/codes.ts";
import { encodeAddress } from "#geodns/wire/encode.ts";
import { buildZone } from "#geodns/zone/zone.ts";

const config = geodnsSchema.parse({
  listen: ["127.0.0.1:0"],
  identity: { id: "ns1", version: "watershed" },
  geo: {
    networks: {
      "127.49.0.0/16": { country: "DE" },
      "127.49.7.0/24": { country: "US" },
      "127.1.0.0/16": { country: "US" },
      "2001:db8::/32": { country: "US" },
    },
  },
  regions: { "eu-west": { location: [53.35, -6.26] }, "us-east": { location: [38.95, -77.45] } },
  steering: { continents: { EU: ["eu-west", "us-east"], NA: ["us-east", "eu-west"] }, default: "nearest" },
  services: { web: { regions: { "eu-west": { addresses: ["192.0.2.1"] } } } },
  dnsZones: {
    "stream.test": {
      soa: { primary: "ns1", contact: "hostmaster", negativeTtl: "30s" },
      records: {
        "@": { NS: ["ns1"], geo: "web" },
        ns1: { A: ["127.53.0.1"] },
        www: { geo: "web" },
        api: { CNAME: "www" },
        big: { TXT: ["x".repeat(3_000)] },
        "*.wild": { A: ["192.0.2.99"], TXT: ["wild"] },
        "*.alias": { CNAME: "ns1" },
        "*.to.geo": { CNAME: "www" },
        "deep.here": { A: ["192.0.2.98"] },
      },
    },
  },
});
const zone = buildZone("stream.test", config.dnsZones["stream.test"]!);
const database: GeoDatabase = {
  find: () => ({ place: undefined, prefix: 8 }),
  walk: ({ addressBytes }, visit) => {
    for (let first = 0; first < 256; first++)
      visit(Uint8Array.of(first, ...Array<number>(addressBytes - 1).fill(0)), 8, undefined);
  },
  status: { name: "none", type: "", builtAt: "", ipVersion: 6, nodes: 1 },
};

/** A region as a snapshot shows it; an address is up only in state up. */
export const region = (name: string, addresses: Record<string, AddressView["state"]>): [string, RegionView] => {
  const views = Object.entries(addresses).map(([address, state]) => ({
    address,
    weight: 1,
    type: address.includes(":") ? types.AAAA : types.A,
    data: encodeAddress(address),
    up: state === "up",
    state,
    reason: state === "up" ? ("OK" as const) : ("CHECK_TIMEOUT" as const),
  }));
  const healthy = views.some(({ up }) => up);
  return [name, { name, healthy, reason: healthy ? "OK" : "CHECK_TIMEOUT", addresses: views }];
};

export const allUp = [
  region("eu-west", { "192.0.2.1": "up", "192.0.2.2": "up", "192.0.2.3": "up", "2001:db8::1": "up" }),
  region("us-east", { "198.51.100.1": "up", "198.51.100.2": "up" }),
];

const geo = geoOf(database, config.geo.networks);
const { lists, ...tree } = compileGeo(geo, (place) => steer(place, config).regions);

/** A snapshot of these regions.
 * @param signers of the dnsZone stream.test, if it is signed */
export function snapshotOf(
  regions: readonly [string, RegionView][] = allUp,
  ready = true,
  signers: Signers = new Map(),
  answers = 2,
): Snapshot {
  const zones = compileZones(withKeys(new Map([[zone.apex, zone]]), signers), signers);
  return buildSnapshot({
    rules: config,
    geo: { geo, tree: new PrefixTree(tree), lists },
    zones,
    services: [{ name: "web", ttl: 10, answers, ready, regions: new Map(regions), balance: "round-robin" }],
    signers,
    identity: buildIdentity(config.identity),
    random: seededRandom(1),
    former: undefined,
  });
}
