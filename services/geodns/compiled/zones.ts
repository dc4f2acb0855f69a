import { compileBody, emptyBody } from "../wire/body.ts";
import type { Body, OwnedSet, Sections } from "../wire/body.ts";
import { rcodes, types } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import type { ReplyHead } from "../wire/reply.ts";
import { additionalOf } from "../zone/additional.ts";
import { closestZone, resolve } from "../zone/resolve.ts";
import type { Resolution, Zones } from "../zone/resolve.ts";
import type { Node, Steered, Zone } from "../zone/zone.ts";
import type { SignedAnswer } from "../dnssec/signed-answer.ts";
import { NameTable } from "./name-table.ts";

/** An answer that is compiled whole. */
export const isStatic = -1;
/** An answer that depends on the whole name, such as below a DNAME: it is decided for each query. */
export const isSlow = -2;

/** What a name and a type get. */
export interface Entry extends ReplyHead {
  /** Of a static answer. */
  readonly body: Body;
  /** Index among the steered answers, which change with health; `isStatic` or `isSlow` for others. */
  readonly steered: number;
  /** A dnsZone that it comes from is signed: who sets DO gets another answer. */
  readonly needsSigning: boolean;
  /** That answer, where the name that is asked is the name that stands there. Made soon after the entry, or when it is
   * first asked for. */
  signed: SignedAnswer | undefined;
  /** The delegation that it refers to: its answers serve all names below that too. */
  readonly cut: Name | undefined;
}

/** What stands at one name. */
export interface CompiledNode {
  readonly entries: ReadonlyMap<number, Entry>;
  /** For every other type. */
  readonly other: Entry;
  /** What names below it get that do not exist: the wildcard, the referral of a delegation, or what a DNAME makes of them;
   * undefined for the zone's NXDOMAIN. */
  below: CompiledNode | undefined;
  readonly nxdomain: Entry;
}

/** A name and type whose answer is steered. */
export interface SteeredName {
  readonly question: Name;
  readonly type: number;
  readonly service: string;
  readonly resolution: Resolution;
  /** A dnsZone that it comes from is signed. */
  readonly needsSigning: boolean;
  /** Of a region without addresses of this type. */
  readonly nodata: Body;
}

/** Every answer of the dnsZones. Does not change with health. */
export interface CompiledZones {
  readonly zones: Zones;
  readonly table: NameTable<CompiledNode>;
  readonly steered: readonly SteeredName[];
}

export const noType = 0xff00; // for private use (RFC 6895 §3.1): stands for every type that a name does not have
const everywhere = [types.ANY];

/** Tabulates what `resolve` says: for every name and every type that can make a difference there.
 * @param signers of the dnsZones that are signed, by apex */
export function compileZones(zones: Zones, signers: ReadonlyMap<Name, unknown>): CompiledZones {
  const steered: SteeredName[] = [];
  const nodes = new Map<Name, CompiledNode>();
  const typesOfAliases = new Set<number>([...everywhere, types.A, types.AAAA, types.DS]);
  for (const zone of zones.values())
    for (const { sets, steered: { bindings } = noBindings } of zone.nodes.values())
      for (const type of [...sets.keys(), ...bindings.keys()]) typesOfAliases.add(type);

  for (const zone of zones.values()) {
    const negative = compileNegative(zone, signers.has(zone.apex));
    const place = { zones, signers, negative, steered };
    for (const [name, node] of zone.nodes) {
      if (name !== zone.apex && zones.has(name)) continue; // a dnsZone of its own, which answers
      const compile = (type: number) => compileEntry(resolve(zones, name, type), { ...place, name, type });
      const entries = new Map<number, Entry>();
      for (const type of typesAt(node, name === zone.apex, typesOfAliases)) entries.set(type, compile(type));
      const other = compile(noType);
      const below = belowOf(node, other, negative);
      nodes.set(name, { entries, other, below, nxdomain: negative.nxdomain });
    }
  }
  for (const [name, node] of nodes) node.below ??= nodes.get(`\x01*${name}`);
  return { zones, table: new NameTable(nodes), steered };
}

/** Of an entry whose answer is made elsewhere. */
const dynamic = {
  rcode: rcodes.NOERROR,
  authoritative: true,
  body: emptyBody,
  signed: undefined,
  cut: undefined,
} as const;

/** What a delegation or a DNAME says for all names below it. */
function belowOf({ cut, subtreeAlias }: Node, other: Entry, { nxdomain }: Negative): CompiledNode | undefined {
  if (!cut && subtreeAlias === undefined) return undefined;
  const slow = { ...dynamic, steered: isSlow, needsSigning: true };
  return { entries: new Map(), other: cut ? other : slow, below: undefined, nxdomain };
}

const noBindings: Pick<Steered, "bindings"> = { bindings: new Map() };

/** Types that may get another answer than a type which the name does not have. */
function typesAt(
  { sets, alias, steered, cut }: Node,
  isApex: boolean,
  typesOfAliases: ReadonlySet<number>,
): ReadonlySet<number> {
  if (alias !== undefined) return typesOfAliases;
  const ds = isApex || cut ? [types.DS] : []; // answered by the dnsZone above
  return new Set([
    ...sets.keys(),
    ...everywhere,
    ...ds,
    ...(steered ? [types.A, types.AAAA, ...steered.bindings.keys()] : []),
  ]);
}

interface Negative {
  readonly soa: OwnedSet;
  readonly nodata: Entry;
  readonly nxdomain: Entry;
}

/** One body for all negative answers of a dnsZone, whatever the name. */
function compileNegative({ apex, negativeSoa }: Zone, needsSigning: boolean): Negative {
  const sections = { answers: [], authority: [negativeSoa], additional: [] };
  const body = compileBody(apex, sections, { forNamesBelow: true });
  const common = { authoritative: true, steered: isStatic, body, needsSigning, signed: undefined, cut: undefined };
  return {
    soa: negativeSoa,
    nodata: { ...common, rcode: rcodes.NOERROR },
    nxdomain: { ...common, rcode: rcodes.NXDOMAIN },
  };
}

interface Place {
  readonly zones: Zones;
  readonly name: Name;
  readonly type: number;
  readonly signers: ReadonlyMap<Name, unknown>;
  readonly negative: Negative;
  readonly steered: SteeredName[];
}

function compileEntry(resolution: Resolution, place: Place): Entry {
  const { name, type, negative, steered } = place;
  if (resolution.steered) {
    const { service } = resolution.steered;
    const needsSigning = isSigned(resolution, place);
    const { body: nodata } = negative.nodata;
    const index = steered.push({ question: name, type, service, resolution, needsSigning, nodata }) - 1;
    return { ...dynamic, steered: index, needsSigning };
  }
  const isNodata = resolution.rcode === "NOERROR" && resolution.negative && resolution.answers.length === 0;
  // The SOA of another dnsZone, where DS is asked at the top of one.
  if (!isNodata || resolution.zone?.negativeSoa !== negative.soa) return compileStatic(resolution, place);
  // Its proof names the name.
  return negative.nodata.needsSigning ? { ...negative.nodata } : negative.nodata;
}

/** A referral without an alias before it serves every name below the delegation too. */
function compileStatic(resolution: Resolution, place: Place): Entry {
  const { zones, name } = place;
  const forNamesBelow = resolution.referral?.owner === name;
  const sections = sectionsOf(zones, resolution);
  return {
    rcode: rcodes[resolution.rcode],
    authoritative: isAuthoritative(resolution),
    body: compileBody(name, sections, { forNamesBelow }),
    steered: isStatic,
    needsSigning: isSigned(resolution, place, sections.additional),
    signed: undefined,
    cut: forNamesBelow ? name : undefined,
  };
}

/** Whether anything of it comes from a signed dnsZone: aliases may lead from one to another, and addresses go along. */
function isSigned(
  { answers, zone }: Resolution,
  { zones, signers }: Place,
  additional: readonly OwnedSet[] = [],
): boolean {
  if (signers.size === 0) return false;
  if (zone && signers.has(zone.apex)) return true;
  return [...answers, ...additional].some(({ owner }) => signers.has(closestZone(zones, owner)?.apex ?? owner));
}

/** Behind an alias of ours a referral is still ours as far as the alias goes: AA speaks of the first owner (RFC 1035
 * §4.1.1). */
export function isAuthoritative({ referral, answers }: Resolution): boolean {
  return !referral || answers.length > 0;
}

/** The sections of an answer that is not steered. */
export function sectionsOf(zones: Zones, resolution: Resolution): Sections {
  const { answers, negative, referral, zone } = resolution;
  const soa = negative && zone ? [zone.negativeSoa] : [];
  const authority = referral ? [{ owner: referral.owner, set: referral.cut.ns }] : soa;
  return { answers, authority, ...additionalOf(zones, resolution) };
}
