import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { steeringSchema } from "#shared/config/schema/steering.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { GeoDatabase } from "#shared/geo/database.ts";
import { geoOf } from "#shared/geo/geo.ts";
import { compileZones } from "#geodns/compiled/zones.ts";
import { compileGeo, steerRules } from "#geodns/geo-tree/compile.ts";
import { withKeys } from "#geodns/dnssec/signing.ts";
import type { Signers } from "#geodns/dnssec/signing.ts";
import { PrefixTree } from "#geodns/geo-tree/tree.ts";
import { buildIdentity, buildSnapshot } from "#geodns/snapshot.ts";
import type { AddressView, RegionView, ServiceView, Snapshot } from "#geodns/snapshot.ts";
import { types } from "#geodns/wire/codes.ts";
import { encodeAddress } from "#geodns/wire/encode.ts";
import { buildZones } from "#geodns/zone/build.ts";

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
        www: { geo: "web", HTTPS: { alpn: ["h2", "http/1.1"], port: 8443 } },
        sub: { NS: ["ns.sub", "ns.example.org."] },
        signed: { NS: ["ns1"], DS: [`60485 13 2 ${"2b".repeat(32)}`] },
        into: { CNAME: "y.sub" },
        "*.into": { CNAME: "y.sub" },
        tree: { DNAME: "here", MX: ["10 ns1", "20 ns.sub"] },
        "a.here": { CNAME: "www" },
        "ns.sub": { A: ["192.0.2.53"], AAAA: ["2001:db8::53"] },
        api: { CNAME: "www" },
        big: { TXT: ["x".repeat(3_000)] },
        "*.wild": { A: ["192.0.2.99"], TXT: ["wild"] },
        "*.alias": { CNAME: "ns1" },
        "*.to.geo": { CNAME: "www" },
        "deep.here": { A: ["192.0.2.98"] },
      },
    },
    "child.stream.test": {
      soa: { primary: "ns1", contact: "hostmaster" },
      records: { "@": { NS: ["ns1.stream.test."], A: ["192.0.2.97"] } },
    },
    "c.ent.stream.test": {
      soa: { primary: "ns1", contact: "hostmaster" },
      records: { "@": { NS: ["ns1.stream.test."] } },
    },
  },
});
const noFiles = { read: () => "", locate: (path: string) => path };
const plainZones = buildZones(config.dnsZones, noFiles).zones;
const database: GeoDatabase = {
  find: () => ({ place: undefined, prefix: 8 }),
  walk: ({ addressBytes }, visit) => {
    for (let first = 0; first < 256; first++)
      visit(Uint8Array.of(first, ...Array<number>(addressBytes - 1).fill(0)), 8, undefined);
  },
  status: { name: "none", type: "", builtAt: "", ipVersion: 6, nodes: 1 },
};

/** A region as a snapshot shows it; an address is up only in state up. */
export const region = (
  name: string,
  addresses: Record<string, AddressView["state"]>,
  changes: Partial<RegionView> = {},
): [string, RegionView] => {
  const views = Object.entries(addresses).map(([address, state]) => ({
    address,
    weight: 1,
    type: address.includes(":") ? types.AAAA : types.A,
    data: encodeAddress(address),
    up: state === "up",
    state,
    reason: state === "up" ? ("OK" as const) : ("CHECK_TIMEOUT" as const),
    override: null,
  }));
  const healthy = views.some(({ up }) => up);
  const reason = healthy ? "OK" : "CHECK_TIMEOUT";
  return [name, { name, healthy, reason, override: null, changing: false, capacity: 1, addresses: views, ...changes }];
};

export const allUp = [
  region("eu-west", { "192.0.2.1": "up", "192.0.2.2": "up", "192.0.2.3": "up", "2001:db8::1": "up" }),
  region("us-east", { "198.51.100.1": "up", "198.51.100.2": "up" }),
];

const geo = geoOf(database, config.geo.networks);
const treeOfConfig = compileGeo(geo, steerRules(config));

/** A snapshot of these regions.
 * @param steering in place of the usual rules
 * @param signers of the dnsZones that are signed, by apex */
export function snapshotOf(
  regions: readonly [string, RegionView][] = allUp,
  ready = true,
  service: Partial<ServiceView> = {},
  steering?: object,
  signers: Signers = new Map(),
): Snapshot {
  const zones = compileZones(withKeys(plainZones, signers), signers);
  const rules = steering === undefined ? config : { regions: config.regions, steering: steeringSchema.parse(steering) };
  const { lists, ...tree } = steering === undefined ? treeOfConfig : compileGeo(geo, steerRules(rules));
  const usual = { name: "web", ttl: 10, ttlMin: 5, answers: 2, answerRegions: 1, balance: "round-robin" } as const;
  return buildSnapshot({
    rules,
    geo: { geo, tree: new PrefixTree(tree), lists },
    zones,
    services: [{ ...usual, ready, regions: new Map(regions), ...service }],
    signers,
    identity: buildIdentity(config.identity),
    random: seededRandom(1),
    former: undefined,
  });
}

/** The same with signed dnsZones. */
export function signedSnapshotOf(
  signers: Signers,
  regions: readonly [string, RegionView][] = allUp,
  service: Partial<ServiceView> = {},
): Snapshot {
  return snapshotOf(regions, true, service, undefined, signers);
}
