import type { DnsZoneConfig, RecordsConfig } from "#shared/config/schema/geodns.ts";
import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { types } from "../wire/codes.ts";
import { encodeAddress, encodeCname, encodeHinfo, encodeNs, encodeSoa, encodeTxt } from "../wire/encode.ts";
import { formatName, parentOf, parseName } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { OwnedSet, RecordSet } from "../wire/body.ts";

/** What stands at one name. A node without anything is an empty non-terminal: only names below it have records. */
export interface Node {
  readonly sets: ReadonlyMap<number, RecordSet>;
  /** Where the CNAME leads, if the node is an alias. */
  readonly alias: Name | undefined;
  /** The service whose regions A and AAAA are steered to. */
  readonly steered: { readonly service: string; readonly ttl: number | undefined } | undefined;
}

/** One dnsZone. Immutable. */
export interface Zone {
  /** As in the config. */
  readonly name: string;
  readonly apex: Name;
  readonly nodes: ReadonlyMap<Name, Node>;
  /** The SOA as negative answers carry it: its TTL is min(SOA TTL, negative TTL). @see RFC 2308 §3 */
  readonly negativeSoa: OwnedSet;
  /** What a question for ANY gets. @see RFC 8482 §4.2 */
  readonly anySet: RecordSet;
  readonly recordCount: number;
}

const emptyNode: Node = { sets: new Map(), alias: undefined, steered: undefined };

/** @param config of a config that was validated: its names stand once each, at or below the dnsZone */
export function buildZone(zoneName: string, config: DnsZoneConfig): Zone {
  const apex = nameIn(zoneName, "");
  const soa = soaSet(apex, config);
  const nodes = new Map<Name, Node>([[apex, emptyNode]]);
  for (const [ownerText, records] of Object.entries(config.records)) {
    const owner = nameIn(ownerText, apex);
    nodes.set(owner, buildNode(records, apex, config.ttl));
    for (let above = owner; above !== apex; above = parentOf(above)) if (!nodes.has(above)) nodes.set(above, emptyNode);
  }
  const top = nodes.get(apex) ?? emptyNode;
  nodes.set(apex, { ...top, sets: new Map([...top.sets, [types.SOA, soa]]) });
  return {
    name: zoneName,
    apex,
    nodes,
    negativeSoa: { owner: apex, set: { ...soa, ttl: Math.min(soa.ttl, config.soa.negativeTtl) } },
    anySet: { type: types.HINFO, ttl: config.ttl, data: [encodeHinfo("RFC8482", "")], texts: ['"RFC8482" ""'] },
    recordCount: [...nodes.values()].reduce((sum, node) => sum + recordsAt(node), 0),
  };
}

function recordsAt({ sets, steered }: Node): number {
  return [...sets.values()].reduce((sum, { data }) => sum + data.length, steered ? 1 : 0);
}

function nameIn(text: string, origin: Name): Name {
  const name = parseName(text, origin);
  assert(name !== undefined, `${text} was validated with the config`);
  return name;
}

function soaSet(apex: Name, { soa, ttl }: DnsZoneConfig): RecordSet {
  const primary = nameIn(soa.primary, apex);
  const contact = nameIn(soa.contact, apex);
  const { serial, refresh, retry, expire, negativeTtl: minimum } = soa;
  const data = encodeSoa({ primary, contact, serial, refresh, retry, expire, minimum });
  const numbers = [serial, refresh, retry, expire, minimum].join(" ");
  return { type: types.SOA, ttl, data: [data], texts: [`${formatName(primary)} ${formatName(contact)} ${numbers}`] };
}

function buildNode(records: RecordsConfig, origin: Name, zoneTtl: number): Node {
  const ttl = records.ttl ?? zoneTtl;
  const sets = new Map<number, RecordSet>();
  const add = (type: number, data: readonly Uint8Array[], texts: readonly string[]) =>
    sets.set(type, { type, ttl, data, texts });
  for (const key of ["A", "AAAA"] as const) {
    const addresses = records[key]?.map(canonicalAddress);
    if (addresses) add(types[key], addresses.map(encodeAddress), addresses);
  }
  const servers = records.NS?.map((text) => nameIn(text, origin));
  if (servers) add(types.NS, servers.map(encodeNs), servers.map(formatName));
  if (records.TXT)
    add(
      types.TXT,
      records.TXT.map(encodeTxt),
      records.TXT.map((text) => JSON.stringify(text)),
    );
  const alias = records.CNAME === undefined ? undefined : nameIn(records.CNAME, origin);
  if (alias !== undefined) add(types.CNAME, [encodeCname(alias)], [formatName(alias)]);
  const steered = records.geo === undefined ? undefined : { service: records.geo, ttl: records.ttl };
  return { sets, alias, steered };
}

function canonicalAddress(text: string): string {
  const bytes = parseAddress(text);
  assert(bytes, `${text} was validated with the config`);
  return formatAddress(bytes);
}
