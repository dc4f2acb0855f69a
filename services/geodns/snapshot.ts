import { isDeepStrictEqual } from "node:util";
import type { GeoServiceConfig, GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { OverrideState } from "#shared/config/schema/overrides.ts";
import type { Reason } from "#shared/core/error.ts";
import type { EndpointStatus } from "#shared/endpoint/status.ts";
import type { Random } from "#shared/core/random.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { Signers } from "./dnssec/signing.ts";
import type { RegionHealth } from "./steer/failover.ts";
import type { Weighted } from "./steer/order.ts";
import { compileSteered } from "./compiled/steered.ts";
import type { SteeredBodies } from "./compiled/steered.ts";
import type { CompiledZones } from "./compiled/zones.ts";
import type { GeoParts } from "./geo-tree/source.ts";
import type { PrefixTree } from "./geo-tree/tree.ts";
import { ServiceAnswers } from "./steer/service-answers.ts";
import type { SteeringRules } from "./steer/regions.ts";
import { classes, types } from "./wire/codes.ts";
import { encodeTxt } from "./wire/encode.ts";
import { parseName } from "./wire/name.ts";
import type { Name } from "./wire/name.ts";
import type { RecordSet } from "./wire/body.ts";
import type { Zones } from "./zone/resolve.ts";

/** One address of a region, as it stood when the snapshot was taken. */
export interface AddressView extends Weighted {
  /** A or AAAA. */
  readonly type: number;
  readonly data: Uint8Array;
  readonly up: boolean;
  readonly state: EndpointStatus["state"];
  readonly reason: Reason;
  /** What an operator has set for the address. */
  readonly override: OverrideState | null;
}

export interface RegionView extends RegionHealth {
  /** OK, FORCED_UP, or why no address is up. */
  readonly reason: Reason;
  /** What an operator has set for the region, already counted in all of this. */
  readonly override: OverrideState | null;
  /** Against the other regions. */
  readonly capacity: number;
  readonly addresses: readonly AddressView[];
}

export interface ServiceView {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  /** Seconds, while a region that the answer hangs on is changing. */
  readonly ttlMin: number;
  /** Addresses in one answer. */
  readonly answers: number;
  /** Regions in one answer. */
  readonly answerRegions: number;
  /** The first health round has ended. */
  readonly ready: boolean;
  /** In the order of the config. */
  readonly regions: ReadonlyMap<string, RegionView>;
  /** Order of the addresses of one region. */
  readonly balance: GeoServiceConfig["balance"];
}

/** All that answers one query. A reload or a change of health swaps it whole; only whose turn it is, and what is counted,
 * moves in it. */
export interface Snapshot {
  readonly zones: Zones;
  readonly geo: Geo;
  readonly rules: SteeringRules;
  readonly services: ReadonlyMap<string, ServiceAnswers>;
  readonly identity: Identity;
  /** Of the dnsZones that are signed. */
  readonly signers: Signers;
  /** The same, encoded. */
  readonly compiled: Compiled;
}

export interface Compiled {
  readonly zones: CompiledZones;
  /** Which region list each client has. */
  readonly tree: PrefixTree;
  /** In the order of `zones.steered`. */
  readonly steered: readonly SteeredBodies[];
}

export interface SnapshotParts {
  readonly rules: SteeringRules;
  readonly geo: Pick<GeoParts, "geo" | "tree" | "lists">;
  readonly zones: CompiledZones;
  readonly services: readonly ServiceView[];
  readonly signers: Signers;
  readonly identity: Identity;
  readonly random: Random;
  /** What it has of services that have not changed is taken over. */
  readonly former: Snapshot | undefined;
}

/** Everything that answers depend on, with every answer encoded. */
export function buildSnapshot(parts: SnapshotParts): Snapshot {
  const { rules, geo, zones, services, signers, identity, random, former } = parts;
  const { tree, lists } = geo;
  const isSameGeo = former?.compiled.tree === tree;
  const answers = services.map((view): [string, ServiceAnswers] => {
    const before = isSameGeo ? former.services.get(view.name) : undefined;
    return [
      view.name,
      before && isDeepStrictEqual(before.view, view) ? before : new ServiceAnswers(view, lists, random),
    ];
  });
  const byName = new Map(answers);
  const steeredBefore = former?.compiled.zones === zones ? former.compiled.steered : [];
  const steered = compileSteered(zones.steered, byName, steeredBefore);
  const compiled = { zones, tree, steered };
  return { zones: zones.zones, geo: geo.geo, rules, services: byName, identity, signers, compiled };
}

/** What the server says of itself. */
export interface Identity {
  readonly nsid: Uint8Array | undefined;
  /** TXT records of class CH. */
  readonly chaos: ReadonlyMap<Name, RecordSet>;
}

export function buildIdentity({ id, version }: GeodnsConfig["identity"]): Identity {
  const told = { "id.server": id, "hostname.bind": id, "version.server": version, "version.bind": version };
  const chaos = new Map<Name, RecordSet>();
  for (const [name, text] of Object.entries(told)) {
    if (text === undefined) continue;
    const set = { type: types.TXT, class: classes.CH, ttl: 0, data: [encodeTxt(text)], texts: [JSON.stringify(text)] };
    chaos.set(parseName(name, "") ?? "", set);
  }
  return { nsid: id === undefined ? undefined : Buffer.from(id), chaos };
}
