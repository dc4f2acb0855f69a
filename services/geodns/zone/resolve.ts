import { types } from "../wire/codes.ts";
import { parentOf } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { OwnedSet } from "../wire/body.ts";
import type { Node, Zone } from "./zone.ts";

const aliasesMax = 8; // longer chains cost every resolver more than they are worth; the rest is asked for anew

/** Every dnsZone by its apex. */
export type Zones = ReadonlyMap<Name, Zone>;

/** What the dnsZones say to one question. */
export interface Resolution {
  /** REFUSED: the name is in none of our dnsZones. */
  readonly rcode: "NOERROR" | "NXDOMAIN" | "REFUSED";
  /** CNAMEs on the way, then the records, if they are static. */
  readonly answers: readonly OwnedSet[];
  /** The answer is to be steered: whose addresses, and how long they hold (seconds; default: the service's TTL). */
  readonly steered?: { readonly owner: Name; readonly service: string; readonly ttl: number | undefined };
  /** Of the dnsZone where the search ended; the SOA of a negative answer. */
  readonly zone?: Zone;
  /** Whether that answer is negative: nothing of this type, or no such name. */
  readonly negative: boolean;
}

/** Follows a question through the dnsZones, aliases included, up to an answer, a steered name or a negative answer.
 * @see RFC 1034 §4.3.2, RFC 4592 (wildcards), RFC 8020, RFC 8482 (ANY) */
export function resolve(zones: Zones, name: Name, type: number): Resolution {
  const answers: OwnedSet[] = [];
  const seen = new Set<Name>();
  let owner = name;
  for (;;) {
    const zone = closestZone(zones, owner);
    // An alias that leads out of our dnsZones is answered as far as we know; the resolver asks on elsewhere.
    if (!zone) return { rcode: answers.length > 0 ? "NOERROR" : "REFUSED", answers, negative: false };
    const node = findNode(zone, owner);
    if (!node) return { rcode: "NXDOMAIN", answers, zone, negative: true };
    if (node.steered && (type === types.A || type === types.AAAA))
      return { rcode: "NOERROR", answers, zone, steered: { owner, ...node.steered }, negative: false };
    const set = setOf(node, type, zone);
    if (set) return { rcode: "NOERROR", answers: [...answers, { owner, set }], zone, negative: false };
    const alias = node.alias === undefined ? undefined : node.sets.get(types.CNAME);
    if (!alias || node.alias === undefined) return { rcode: "NOERROR", answers, zone, negative: true };
    seen.add(owner);
    answers.push({ owner, set: alias });
    owner = node.alias;
    if (seen.has(owner) || answers.length > aliasesMax) return { rcode: "NOERROR", answers, zone, negative: false };
  }
}

/** One HINFO instead of everything for ANY, at every name that has anything. */
function setOf(node: Node, type: number, zone: Zone) {
  if (type !== types.ANY) return node.sets.get(type);
  return node.sets.size > 0 || node.steered ? zone.anySet : undefined;
}

/** The dnsZone that a name is in. */
export function closestZone(zones: Zones, name: Name): Zone | undefined {
  for (let apex = name; ; apex = parentOf(apex)) {
    const zone = zones.get(apex);
    if (zone || apex === "") return zone;
  }
}

/** The node of a name, or of the wildcard that stands for it. Only the closest name that exists may have a wildcard:
 * an existing sibling or empty non-terminal blocks those above. @see RFC 4592 §3.3.1 */
export function findNode(zone: Zone, name: Name): Node | undefined {
  let encloser = name;
  while (!zone.nodes.has(encloser)) encloser = parentOf(encloser);
  if (encloser === name) return zone.nodes.get(name);
  return zone.nodes.get(`\x01*${encloser}`);
}
