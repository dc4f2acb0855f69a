import { compileBody, emptyBody } from "../wire/body.ts";
import type { Body, Sections } from "../wire/body.ts";
import { rcodes, types } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import type { ReplyHead } from "../wire/reply.ts";
import { closestZone, resolve } from "../zone/resolve.ts";
import type { Resolution, Zones } from "../zone/resolve.ts";
import type { Node, Zone } from "../zone/zone.ts";
import type { SignedAnswer } from "../dnssec/signed-answer.ts";
import { NameTable } from "./name-table.ts";

/** What a name and a type get. */
export interface Entry extends ReplyHead {
  /** Of a static answer. */
  readonly body: Body;
  /** Index among the steered answers, which change with health; -1 for a static one. */
  readonly steered: number;
  /** A dnsZone that it comes from is signed: who sets DO gets another answer. */
  readonly needsSigning: boolean;
  /** That answer, where the name that is asked is the name that stands there. Made when it is first asked for. */
  signed: SignedAnswer | undefined;
}

/** What stands at one name. */
export interface CompiledNode {
  readonly entries: ReadonlyMap<number, Entry>;
  /** For every other type. */
  readonly other: Entry;
  /** What names below it get that do not exist: the wildcard, or undefined for the zone's NXDOMAIN. */
  below: CompiledNode | undefined;
  readonly nxdomain: Entry;
}

/** A name and type whose answer is steered. */
export interface SteeredName {
  readonly question: Name;
  readonly type: number;
  readonly service: string;
  readonly resolution: Resolution;
  /** Of a region without addresses of this type. */
  readonly nodata: Body;
}

/** Every answer of the dnsZones. Does not change with health. */
export interface CompiledZones {
  readonly zones: Zones;
  readonly table: NameTable<CompiledNode>;
  readonly steered: readonly SteeredName[];
}

const noType = 0xff00; // for private use (RFC 6895 §3.1): stands for every type that a name does not have
const everywhere = [types.ANY];

/** Tabulates what `resolve` says: for every name and every type that can make a difference there.
 * @param signers of the dnsZones that are signed, by apex */
export function compileZones(zones: Zones, signers: ReadonlyMap<Name, unknown>): CompiledZones {
  const steered: SteeredName[] = [];
  const nodes = new Map<Name, CompiledNode>();
  const typesOfAliases = new Set<number>([...everywhere, types.A, types.AAAA]);
  for (const zone of zones.values())
    for (const { sets } of zone.nodes.values()) for (const type of sets.keys()) typesOfAliases.add(type);

  for (const zone of zones.values()) {
    const negative = compileNegative(zone, signers.has(zone.apex));
    const place = { zones, signers, negative, steered };
    for (const [name, node] of zone.nodes) {
      const compile = (type: number) => compileEntry(resolve(zones, name, type), { ...place, name, type });
      const entries = new Map<number, Entry>();
      for (const type of typesAt(node, typesOfAliases)) entries.set(type, compile(type));
      nodes.set(name, { entries, other: compile(noType), below: undefined, nxdomain: negative.nxdomain });
    }
  }
  for (const [name, node] of nodes) node.below = nodes.get(`\x01*${name}`);
  return { zones, table: new NameTable(nodes), steered };
}

/** Types that may get another answer than a type which the name does not have. */
function typesAt({ sets, alias, steered }: Node, typesOfAliases: ReadonlySet<number>): ReadonlySet<number> {
  if (alias !== undefined) return typesOfAliases;
  return new Set([...sets.keys(), ...everywhere, ...(steered ? [types.A, types.AAAA] : [])]);
}

interface Negative {
  readonly nodata: Entry;
  readonly nxdomain: Entry;
}

/** One body for all negative answers of a dnsZone, whatever the name. */
function compileNegative({ apex, negativeSoa }: Zone, needsSigning: boolean): Negative {
  const sections = { answers: [], authority: [negativeSoa], additional: [] };
  const body = compileBody(apex, sections, { forNamesBelow: true });
  const common = { authoritative: true, steered: -1, body, needsSigning, signed: undefined };
  return { nodata: { ...common, rcode: rcodes.NOERROR }, nxdomain: { ...common, rcode: rcodes.NXDOMAIN } };
}

interface Place {
  readonly name: Name;
  readonly type: number;
  readonly zones: Zones;
  readonly signers: ReadonlyMap<Name, unknown>;
  readonly negative: Negative;
  readonly steered: SteeredName[];
}

function compileEntry(resolution: Resolution, place: Place): Entry {
  const { name, type, negative, steered } = place;
  const needsSigning = isSigned(resolution, place);
  const common = { authoritative: true, needsSigning, signed: undefined };
  if (resolution.steered) {
    const { service } = resolution.steered;
    const index = steered.push({ question: name, type, service, resolution, nodata: negative.nodata.body }) - 1;
    return { ...common, rcode: rcodes.NOERROR, body: emptyBody, steered: index };
  }
  const isNodata = resolution.rcode === "NOERROR" && resolution.negative && resolution.answers.length === 0;
  // Its proof names the name.
  if (isNodata) return needsSigning ? { ...negative.nodata } : negative.nodata;
  const body = compileBody(name, sectionsOf(resolution));
  return { ...common, rcode: rcodes[resolution.rcode], body, steered: -1 };
}

/** Whether anything of it comes from a signed dnsZone: aliases may lead from one to another. */
function isSigned({ answers, zone }: Resolution, { zones, signers }: Place): boolean {
  if (signers.size === 0) return false;
  if (zone && signers.has(zone.apex)) return true;
  return answers.some(({ owner }) => signers.has(closestZone(zones, owner)?.apex ?? owner));
}

/** The sections of an answer that is not steered. */
export function sectionsOf({ answers, negative, zone }: Resolution): Sections {
  return { answers, authority: negative && zone ? [zone.negativeSoa] : [], additional: [] };
}
