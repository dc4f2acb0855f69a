import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import type { Reason } from "#shared/core/error.ts";
import type { EndpointStatus } from "#shared/endpoint/status.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { RegionHealth } from "./steer/failover.ts";
import type { Order, Weighted } from "./steer/order.ts";
import type { SteeringRules } from "./steer/regions.ts";
import { classes, types } from "./wire/codes.ts";
import { encodeTxt } from "./wire/encode.ts";
import { parseName } from "./wire/name.ts";
import type { Name } from "./wire/name.ts";
import type { RecordSet } from "./wire/reply.ts";
import type { Zones } from "./zone/resolve.ts";

/** One address of a region, as it stood when the snapshot was taken. */
export interface AddressView extends Weighted {
  /** A or AAAA. */
  readonly type: number;
  readonly data: Uint8Array;
  readonly up: boolean;
  readonly state: EndpointStatus["state"];
  readonly reason: Reason;
}

export interface RegionView extends RegionHealth {
  /** OK, or why no address is up. */
  readonly reason: Reason;
  readonly addresses: readonly AddressView[];
}

export interface ServiceView {
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
  /** Addresses in one answer. */
  readonly answers: number;
  /** The first health round has ended. */
  readonly ready: boolean;
  /** In the order of the config. */
  readonly regions: ReadonlyMap<string, RegionView>;
  /** Turns with every answer: the only thing in a snapshot that moves. */
  readonly order: Order;
}

/** All that answers one query. A reload or a change of health swaps it whole. */
export interface Snapshot {
  readonly zones: Zones;
  readonly geo: Geo;
  readonly rules: SteeringRules;
  readonly services: ReadonlyMap<string, ServiceView>;
  readonly identity: Identity;
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
