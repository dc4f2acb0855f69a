import { typeName, types } from "../wire/codes.ts";
import { formatName, isAtOrBelow } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import { cutAbove } from "./owned.ts";
import type { Owned } from "./owned.ts";
import { isDataType, targetsOf } from "./rdata/grammar.ts";
import type { Finding, Place } from "./record.ts";

interface Findings {
  readonly problems: Finding[];
  readonly warnings: Finding[];
}

const setBytesMax = 64_000; // of one set: it must fit a message over TCP beside question, SOA and OPT

/** Types that the server makes itself where a dnsZone is signed. */
const madeHere = new Set(["RRSIG", "NSEC", "NSEC3", "NSEC3PARAM"]);
/** Types that it makes there out of the keys; without keys here the records may speak of others. */
const madeOfKeys = new Set<number>([types.DNSKEY, types.CDS, types.CDNSKEY]);

export interface Surroundings {
  readonly apex: Name;
  /** The server signs the dnsZone. */
  readonly isSigned: boolean;
}

/** What the DNS does not allow at one name. */
export function checkNode(
  { owner, records, steered }: Owned,
  { apex, isSigned }: Surroundings,
  { problems, warnings }: Findings,
): void {
  const isApex = owner === apex;
  const isWildcard = owner.startsWith("\x01*");
  const has = (type: number) => records.has(type);
  const placeOf = (type: number): Place => records.get(type)?.[0]?.place ?? steered?.place ?? { path: [] };
  const refuse = (type: number, message: string) => problems.push({ place: placeOf(type), message });
  const name = formatName(owner);
  for (const [type, set] of records) {
    const label = typeName(type);
    if (!isDataType(type)) refuse(type, `${label} is no type of records that can stand in a dnsZone`);
    else if (madeHere.has(label)) refuse(type, `${label} records are made by the server, where the dnsZone is signed`);
    if (isSigned && madeOfKeys.has(type))
      for (const { place } of set)
        problems.push({
          place,
          message: `${label} records of a signed dnsZone are made out of the keys in dnssec.keys`,
        });
    const ttls = set.map(({ ttl }) => ttl);
    if (new Set(ttls).size > 1)
      warnings.push({
        place: placeOf(type),
        message: `${name} ${label}: records of one set have one TTL: ${Math.min(...ttls)} of ${[...new Set(ttls)].join(", ")} is taken (RFC 2181 §5.2)`,
      });
    if (set.reduce((sum, { data }) => sum + 12 + data.length, 0) > setBytesMax)
      refuse(type, `${name} ${label}: the set does not fit a message`);
  }
  for (const type of [types.SOA, types.CNAME, types.DNAME])
    for (const extra of records.get(type)?.slice(1) ?? [])
      problems.push({ place: extra.place, message: `${name} has a second ${typeName(type)}; there can be one` });
  if (has(types.SOA) && !isApex) refuse(types.SOA, `SOA stands at the top of a dnsZone only, not at ${name}`);
  if (has(types.CNAME) && isApex) refuse(types.CNAME, `CNAME cannot stand at the top of a dnsZone (RFC 1034 §3.6.2)`);
  else if (has(types.CNAME) && (records.size > 1 || steered))
    refuse(
      types.CNAME,
      `CNAME must stand alone, but ${name} has ${others(records, steered !== undefined)} too (RFC 1034 §3.6.2)`,
    );
  if (steered && (has(types.A) || has(types.AAAA)))
    problems.push({
      place: steered.place,
      message: `geo is answered with A and AAAA of a service: ${name} has others`,
    });
  for (const type of steered?.steered.bindings.keys() ?? [])
    if (has(type)) refuse(type, `${name} has ${typeName(type)} beside those of geo`);
  if (steered && has(types.NS) && !isApex)
    problems.push({ place: steered.place, message: `geo cannot be answered: ${name} is delegated by its NS` });
  if (isWildcard && has(types.NS)) refuse(types.NS, `a wildcard cannot be delegated (RFC 4592 §4.2)`);
  if (isWildcard && has(types.DNAME)) refuse(types.DNAME, `a wildcard with DNAME means nothing (RFC 6672 §3.3)`);
  if (has(types.DNAME) && has(types.NS) && !isApex)
    refuse(types.DNAME, `${name} is delegated: the DNAME belongs to that dnsZone`);
  if (has(types.DS) && isApex) refuse(types.DS, `DS stands in the dnsZone above, beside the NS there (RFC 4035 §2.4)`);
  else if (has(types.DS) && !has(types.NS))
    refuse(types.DS, `DS stands beside NS, and ${name} has none (RFC 4035 §2.4)`);
}

function others(records: Owned["records"], isSteered: boolean): string {
  const names = [...records.keys()].filter((type) => type !== types.CNAME).map(typeName);
  return [...names, ...(isSteered ? ["geo"] : [])].join(", ");
}

const besideCut = new Set<number>([types.NS, types.DS, types.A, types.AAAA]);

/** What is hidden below delegations and DNAMEs, and whether hosts that records lead to are there. */
export function checkTargets(
  owned: ReadonlyMap<Name, Owned>,
  apex: Name,
  cuts: ReadonlySet<Name>,
  { problems, warnings }: Findings,
): void {
  const aliased = new Set(
    [...owned.values()].filter(({ records }) => records.has(types.DNAME)).map(({ owner }) => owner),
  );
  for (const { owner, records, steered } of owned.values()) {
    const name = formatName(owner);
    const cut = cutAbove(owner, apex, cuts);
    const first = [...records.values()][0]?.[0]?.place ?? steered?.place ?? { path: [] };
    const subtree = [...aliased].find((above) => above !== owner && isAtOrBelow(owner, above));
    if (subtree !== undefined)
      problems.push({
        place: first,
        message: `${name} is below ${formatName(subtree)}, whose DNAME stands for all below it`,
      });
    if (cut !== undefined && steered && cut !== owner)
      problems.push({
        place: steered.place,
        message: `${name} is delegated with ${formatName(cut)}: geo cannot be answered`,
      });
    for (const [type, set] of records) {
      const place = set[0]?.place ?? first;
      if (cut !== undefined && (cut === owner ? !besideCut.has(type) : type !== types.A && type !== types.AAAA))
        warnings.push({
          place,
          message: `${name} ${typeName(type)} is never answered: ${formatName(cut)} is delegated`,
        });
      else if (cut === undefined || cut === owner)
        for (const record of set)
          for (const host of targetsOf(type, owner, [record.data])) {
            const message = faultOf(host, type, { owned, apex, cuts });
            if (message !== undefined)
              warnings.push({ place: record.place, message: `${name} ${typeName(type)} ${message}` });
          }
    }
  }
}

/** What is wrong with a host that a record leads to, as far as this dnsZone knows. */
function faultOf(
  host: Name,
  type: number,
  { owned, apex, cuts }: { owned: ReadonlyMap<Name, Owned>; apex: Name; cuts: ReadonlySet<Name> },
): string | undefined {
  if (!isAtOrBelow(host, apex)) return undefined;
  const there = owned.get(host);
  const name = formatName(host);
  if (there?.records.has(types.CNAME)) return `leads to ${name}, which is a CNAME (RFC 2181 §10.3)`;
  if (there?.records.has(types.A) || there?.records.has(types.AAAA) || there?.steered) return undefined;
  const cut = cutAbove(host, apex, cuts);
  if (cut !== undefined && type !== types.NS) return undefined; // that dnsZone knows
  if (cut !== undefined) return `leads to ${name}, which nobody finds without glue: an A or AAAA here`;
  if (type === types.SVCB || type === types.HTTPS || isCovered(host, apex, owned)) return undefined;
  return `leads to ${name}, which has no address`;
}

/** A wildcard may stand for it. */
function isCovered(host: Name, apex: Name, owned: ReadonlyMap<Name, Owned>): boolean {
  for (let at = host; at !== apex; at = at.slice(1 + at.charCodeAt(0)))
    if (owned.has(`\x01*${at.slice(1 + at.charCodeAt(0))}`)) return true;
  return false;
}
