import { expectation } from "#shared/config/error.ts";
import { types } from "../wire/codes.ts";
import { formatName, isAtOrBelow, parentOf } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { RecordSet } from "../wire/body.ts";
import { encodeHinfo } from "../wire/encode.ts";
import { checkNode, checkTargets } from "./check.ts";
import type { Surroundings } from "./check.ts";
import { cutAbove } from "./owned.ts";
import type { Owned } from "./owned.ts";
import { formatData, nameIn, targetsOf } from "./rdata/grammar.ts";
import { numberOf } from "./rdata/words.ts";
import { toByteString } from "./rdata/bytes.ts";
import type { Finding, SteeredName, ZoneRecord } from "./record.ts";
import { emptyNode } from "./zone.ts";
import type { Node, Zone } from "./zone.ts";

export interface Assembly {
  /** Undefined if there are problems. */
  readonly zone: Zone | undefined;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export interface ZoneParts extends Surroundings {
  readonly name: string;
  readonly records: readonly ZoneRecord[];
  readonly steered: readonly SteeredName[];
  /** The zone file, where there is one. */
  readonly file: string | undefined;
  /** Of the answer to ANY, seconds. */
  readonly ttl: number;
}

/** Puts a dnsZone together from all of its records, and checks what they are as a whole. */
export function assemble(parts: ZoneParts): Assembly {
  const problems: Finding[] = [];
  const warnings: Finding[] = [];
  const findings = { problems, warnings };
  const owned = group(parts, findings);
  const top = owned.get(parts.apex);
  const soa = top?.records.get(types.SOA);
  if (!soa) problems.push(missing(parts, "SOA", "add one there, or soa here; RFC 1035 §5.2"));
  if (!top?.records.has(types.NS))
    problems.push(missing(parts, "NS", `name the servers, such as "@": {NS: [ns1]}; RFC 1034 §4.2.1`));
  const cuts = new Set<Name>();
  for (const one of owned.values()) {
    checkNode(one, parts, findings);
    if (one.owner !== parts.apex && one.records.has(types.NS)) cuts.add(one.owner);
  }
  checkTargets(owned, parts.apex, cuts, findings);
  if (!soa || problems.length > 0) return { zone: undefined, problems, warnings };
  return { zone: buildZone(parts, owned, cuts), problems, warnings };
}

function missing({ name, apex, file }: ZoneParts, type: string, hint: string): Finding {
  const place = { path: ["dnsZones", name, ...(file === undefined ? [] : ["file"])] };
  const expected = `an ${type} record of ${formatName(apex)}`;
  const got = file === undefined ? "none" : `none in ${file}, and none here`;
  return { place, message: expectation({ expected, got, hint }) };
}

function group(
  { apex, records, steered }: ZoneParts,
  { problems, warnings }: { problems: Finding[]; warnings: Finding[] },
): Map<Name, Owned> {
  const owned = new Map<Name, Owned>();
  const at = (owner: Name): Owned => {
    const known = owned.get(owner) ?? { owner, records: new Map<number, ZoneRecord[]>(), steered: undefined };
    if (!owned.has(owner)) owned.set(owner, known);
    return known;
  };
  const seen = new Set<string>();
  for (const record of records) {
    const { owner, type, data, place } = record;
    if (!isAtOrBelow(owner, apex)) {
      problems.push({ place, message: `${formatName(owner)} is outside the dnsZone ${formatName(apex)}` });
      continue;
    }
    const key = `${type} ${owner}\0${toByteString(data)}`;
    if (seen.has(key)) {
      warnings.push({ place, message: "this record stands twice; it is served once" });
      continue;
    }
    seen.add(key);
    const sets = at(owner).records;
    const set = sets.get(type);
    if (set) set.push(record);
    else sets.set(type, [record]);
  }
  for (const one of steered) at(one.owner).steered = one;
  return owned;
}

function buildZone({ name, apex, ttl }: ZoneParts, owned: ReadonlyMap<Name, Owned>, cuts: ReadonlySet<Name>): Zone {
  const nodes = new Map<Name, Node>([[apex, emptyNode]]);
  const glue = new Map<Name, readonly RecordSet[]>();
  let recordCount = 0;
  for (const { owner, records, steered } of owned.values()) {
    for (const set of records.values()) recordCount += set.length;
    if (steered) recordCount++;
    const cut = cutAbove(owner, apex, cuts);
    if (cut !== undefined) {
      const addresses = [types.A, types.AAAA].flatMap((type) => setOf(owner, type, records) ?? []);
      if (addresses.length > 0) glue.set(owner, addresses);
      if (cut !== owner) continue;
    }
    nodes.set(owner, cut === undefined ? plainNode(owner, records, steered) : cutNode(owner, records));
    fillAbove(nodes, owner, apex);
  }
  const soa = nodes.get(apex)?.sets.get(types.SOA);
  if (!soa) throw new Error("a dnsZone without SOA was refused before");
  const minimum = numberOf(toByteString(soa.data[0] ?? new Uint8Array(4)).slice(-4));
  return {
    name,
    apex,
    nodes,
    glue,
    negativeSoa: { owner: apex, set: { ...soa, ttl: Math.min(soa.ttl, minimum) } },
    anySet: { type: types.HINFO, ttl, data: [encodeHinfo("RFC8482", "")], texts: ['"RFC8482" ""'] },
    recordCount,
  };
}

/** Names between this one and the apex exist too, if only as empty non-terminals. */
export function fillAbove(nodes: Map<Name, Node>, owner: Name, apex: Name): void {
  if (owner === apex) return;
  for (let above = parentOf(owner); !nodes.has(above); above = parentOf(above)) nodes.set(above, emptyNode);
}

type Records = Owned["records"];

function plainNode(owner: Name, records: Records, steered: SteeredName | undefined): Node {
  const sets = new Map([...records.keys()].map((type) => [type, makeSet(owner, type, records)]));
  const alias = sets.get(types.CNAME)?.data[0];
  const subtreeAlias = sets.get(types.DNAME)?.data[0];
  return {
    sets,
    alias: alias && nameIn(alias),
    subtreeAlias: subtreeAlias && nameIn(subtreeAlias),
    steered: steered?.steered,
    cut: undefined,
  };
}

function cutNode(owner: Name, records: Records): Node {
  const ds = setOf(owner, types.DS, records);
  const sets = new Map(ds ? [[types.DS, ds]] : []);
  return { ...emptyNode, sets, cut: { ns: makeSet(owner, types.NS, records), ds } };
}

function setOf(owner: Name, type: number, records: Records): RecordSet | undefined {
  return records.has(type) ? makeSet(owner, type, records) : undefined;
}

/** Records of one set have one TTL, the smallest that was given. @see RFC 2181 §5.2 */
function makeSet(owner: Name, type: number, records: Records): RecordSet {
  const set = records.get(type) ?? [];
  const data = set.map((record) => record.data);
  const targets = targetsOf(type, owner, data);
  return {
    type,
    ttl: Math.min(...set.map(({ ttl }) => ttl)),
    data,
    texts: data.map((one) => formatData(type, one)),
    ...(targets.length > 0 && { targets }),
  };
}
