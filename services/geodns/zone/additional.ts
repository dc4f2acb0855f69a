import { types } from "../wire/codes.ts";
import { isAtOrBelow } from "../wire/name.ts";
import type { Name } from "../wire/name.ts";
import type { OwnedSet, RecordSet } from "../wire/body.ts";
import { closestZone } from "./resolve.ts";
import type { Resolution, Zones } from "./resolve.ts";

const targetsMax = 32; // more hosts than anybody tries; their addresses can be asked for

/** What goes along with an answer, so that nobody has to ask for it. */
export interface Additional {
  /** Without these the delegation cannot be followed: they are there, or TC is set. @see RFC 9471 */
  readonly glue: readonly OwnedSet[];
  /** These may be left out. */
  readonly additional: readonly OwnedSet[];
}

const none: Additional = { glue: [], additional: [] };

/** Addresses of the hosts that the records of a resolution lead to, as far as we hold them. Steered ones are asked for
 * apart: they hold for one client only.
 * @see RFC 1034 §4.3.2 step 6, RFC 9460 §4.1 */
export function additionalOf(zones: Zones, { answers, referral, zone }: Resolution): Additional {
  if (referral && zone) {
    const { ns } = referral.cut;
    const glue = (ns.targets ?? []).flatMap((host) => ownedSets(host, zone.glue.get(host)));
    const isHeld = new Set(glue.map(({ owner }) => owner));
    const others = (ns.targets ?? []).filter((host) => !isHeld.has(host));
    const isInDomain = ({ owner }: OwnedSet) => isAtOrBelow(owner, referral.owner);
    return {
      glue: glue.filter(isInDomain),
      additional: [...glue.filter((one) => !isInDomain(one)), ...addressesOf(zones, others)],
    };
  }
  const set = answers.at(-1)?.set;
  return set?.targets ? { glue: [], additional: addressesOf(zones, set.targets) } : none;
}

function addressesOf(zones: Zones, hosts: readonly Name[]): OwnedSet[] {
  return hosts.slice(0, targetsMax).flatMap((host) => {
    const zone = closestZone(zones, host);
    const sets = zone?.nodes.get(host)?.sets;
    const authoritative = [types.A, types.AAAA].flatMap((type) => sets?.get(type) ?? []);
    return ownedSets(host, authoritative.length > 0 ? authoritative : zone?.glue.get(host));
  });
}

function ownedSets(owner: Name, sets: readonly RecordSet[] = []): OwnedSet[] {
  return sets.map((set) => ({ owner, set }));
}
