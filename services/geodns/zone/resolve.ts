import { types } from "../wire/codes.ts";
import { formatName, parentOf } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { OwnedSet, RecordSet } from "../wire/body.ts";
import { toBytes } from "./rdata/bytes.ts";
import type { Cut, Node, Steered, Zone } from "./zone.ts";

const aliasesMax = 8; // longer chains cost every resolver more than they are worth; the rest is asked for anew
const nameBytesMax = 255; // RFC 1035 §3.1, with the root label

/** Every dnsZone by its apex. */
export type Zones = ReadonlyMap<Name, Zone>;

/** What the dnsZones say to one question. */
export interface Resolution {
  /** REFUSED: the name is in none of our dnsZones. YXDOMAIN: what a DNAME makes of it is too long for a name. */
  readonly rcode: "NOERROR" | "NXDOMAIN" | "YXDOMAIN" | "REFUSED";
  /** CNAMEs and DNAMEs on the way, then the records, if they are static. */
  readonly answers: readonly OwnedSet[];
  /** The answer is to be steered: to addresses, or to the records of a binding with hints. */
  readonly steered?: { readonly owner: Name } & Steered;
  /** The search ended at a delegation: the name is at or below it. */
  readonly referral?: { readonly owner: Name; readonly cut: Cut };
  /** Of the dnsZone where the search ended; the SOA of a negative answer. */
  readonly zone?: Zone;
  /** Whether that answer is negative: nothing of this type, or no such name. */
  readonly negative: boolean;
}

/** Follows a question through the dnsZones, aliases included, up to an answer, a steered name, a delegation or a negative
 * answer.
 * @see RFC 1034 §4.3.2, RFC 4592 (wildcards), RFC 6672 §3.2 (DNAME), RFC 8020, RFC 8482 (ANY) */
export function resolve(zones: Zones, name: Name, type: number): Resolution {
  const answers: OwnedSet[] = [];
  const seen = new Set<Name>();
  let owner = name;
  for (;;) {
    const zone = zoneFor(zones, owner, type);
    // An alias that leads out of our dnsZones is answered as far as we know; the resolver asks on elsewhere.
    if (!zone) return { rcode: answers.length > 0 ? "NOERROR" : "REFUSED", answers, negative: false };
    const encloser = closestEncloser(zone, owner);
    const above = zone.nodes.get(encloser);
    if (above?.cut && !(encloser === owner && type === types.DS))
      return { rcode: "NOERROR", answers, zone, referral: { owner: encloser, cut: above.cut }, negative: false };
    const subtree = encloser === owner ? undefined : substitute(above, encloser, owner);
    const node = encloser === owner ? above : zone.nodes.get(`\x01*${encloser}`);
    if (!node && !subtree) return { rcode: "NXDOMAIN", answers, zone, negative: true };
    if (subtree) {
      answers.push({ owner: encloser, set: subtree.set });
      if (!subtree.alias) return { rcode: "YXDOMAIN", answers, zone, negative: false };
    }
    const found = node && !subtree ? answerOf(node, type, zone) : undefined;
    if (found === "steered" && node?.steered)
      return { rcode: "NOERROR", answers, zone, steered: { owner, ...node.steered }, negative: false };
    if (typeof found === "object")
      return { rcode: "NOERROR", answers: [...answers, { owner, set: found }], zone, negative: false };
    const alias = subtree?.alias ?? node?.sets.get(types.CNAME);
    const next = subtree?.target ?? node?.alias;
    if (!alias || next === undefined) return { rcode: "NOERROR", answers, zone, negative: true };
    if (subtree && (type === types.CNAME || type === types.ANY))
      return { rcode: "NOERROR", answers: [...answers, { owner, set: alias }], zone, negative: false };
    seen.add(owner);
    answers.push({ owner, set: alias });
    owner = next;
    if (seen.has(owner) || seen.size > aliasesMax) return { rcode: "NOERROR", answers, zone, negative: false };
  }
}

/** The records of this type, or that they are to be steered. For ANY the CNAME of a name that has one, and one HINFO
 * instead of everything at every other that has anything. */
function answerOf(node: Node, type: number, zone: Zone): RecordSet | "steered" | undefined {
  const { sets, steered } = node;
  if (type === types.ANY) return sets.get(types.CNAME) ?? (sets.size > 0 || steered ? zone.anySet : undefined);
  if (steered && (type === types.A || type === types.AAAA || steered.bindings.has(type))) return "steered";
  return sets.get(type);
}

/** What a DNAME at `above` makes of a name below it: the DNAME, and a CNAME with its TTL (undefined if it is too long). */
function substitute(above: Node | undefined, encloser: Name, owner: Name) {
  const set = above?.sets.get(types.DNAME);
  if (!set || above?.subtreeAlias === undefined) return undefined;
  const target = owner.slice(0, owner.length - encloser.length) + above.subtreeAlias;
  if (target.length + 1 > nameBytesMax) return { set, alias: undefined, target: undefined };
  const alias = { type: types.CNAME, ttl: set.ttl, data: [toBytes(`${target}\0`)], texts: [formatName(target)] };
  return { set, alias, target };
}

/** The dnsZone that a type of a name stands in: DS stands in the one above the name's own. @see RFC 4035 §3.1.4.1 */
export function zoneFor(zones: Zones, name: Name, type: number): Zone | undefined {
  const parent = type === types.DS && name !== "" && zones.has(name) ? closestZone(zones, parentOf(name)) : undefined;
  return parent ?? closestZone(zones, name);
}

/** The dnsZone that a name is in. */
export function closestZone(zones: Zones, name: Name): Zone | undefined {
  for (let apex = name; ; apex = parentOf(apex)) {
    const zone = zones.get(apex);
    if (zone || apex === "") return zone;
  }
}

/** The longest name that exists at or above one. Only it may have a wildcard that stands for the name: an existing sibling
 * or empty non-terminal blocks those above. @see RFC 4592 §3.3.1 */
export function closestEncloser(zone: Zone, name: Name): Name {
  let encloser = name;
  while (!zone.nodes.has(encloser)) encloser = parentOf(encloser);
  return encloser;
}

/** The node of a name, or of the wildcard that stands for it. */
export function findNode(zone: Zone, name: Name): Node | undefined {
  const encloser = closestEncloser(zone, name);
  return zone.nodes.get(encloser === name ? name : `\x01*${encloser}`);
}
