import type { Transport } from "../answer.ts";
import type { Decision, Question } from "../decide.ts";
import type { Snapshot } from "../snapshot.ts";
import type { OwnedSet } from "../wire/body.ts";
import { classes, types } from "../wire/codes.ts";
import type { Name } from "../wire/name.ts";
import { closestEncloser, closestZone, findNode, zoneFor } from "../zone/resolve.ts";
import type { Node, Zone } from "../zone/zone.ts";
import { nsecSet } from "./denial.ts";

/** What of a decision is signed. */
export type Securable = Pick<Decision, "rcode" | "authoritative" | "answers" | "authority" | "glue" | "additional">;

export interface Secured extends Securable {
  /** CO goes back to who has set it. @see RFC 9824 §5.1 */
  readonly compactOk: boolean;
  /** Signing it would be over the limit of what is signed on demand. */
  readonly isLimited: boolean;
}

/** What the query says. */
export interface Asked {
  readonly dnssecOk: boolean;
  /** Only beside DO. */
  readonly compactOk: boolean;
  readonly transport: Transport;
}

interface Context {
  readonly snapshot: Pick<Snapshot, "zones" | "signers" | "services">;
  readonly transport: Asked["transport"];
}

interface Referral {
  readonly owner: Name;
  /** The one above. */
  readonly zone: Zone;
}

/** Where a question ended without an answer. */
interface Denied {
  readonly owner: Name;
  readonly zone: Zone;
  /** Undefined: there is no such name. */
  readonly node: Node | undefined;
}

/** Every name of a signed dnsZone has an NSEC, made when it is asked for, and its signature. */
export function isOfEveryName(type: number): boolean {
  return type === types.NSEC || type === types.RRSIG;
}

/** Adds signatures and proofs to a decision, where its dnsZones are signed. What stands in them is signed once; what
 * somebody makes up (names that are not there, names below a wildcard) is signed on demand, within a limit. Records of
 * DNSSEC go to those who set DO, or ask for them by type.
 * @see RFC 4035 §3.1, §3.2.1, RFC 9824 */
export function secure(
  decision: Securable,
  question: Question,
  { dnssecOk, compactOk, transport }: Asked,
  snapshot: Context["snapshot"],
): Secured {
  const { rcode } = decision;
  const unchanged = { ...decision, compactOk: false, isLimited: false };
  const referral = referralOf(decision, snapshot);
  const isAnswer = (decision.authoritative || referral) && question.class === classes.IN;
  if (snapshot.signers.size === 0 || !isAnswer) return unchanged;
  const context = { snapshot, transport };
  if (isOfEveryName(question.type) && !referral && !isBelowDname(question.name, snapshot))
    return answerOfEveryName(unchanged, question, { dnssecOk, compactOk }, context);
  if (!dnssecOk) return unchanged;
  const answers = signAll(decision.answers, context);
  const authority = referral ? proofOf(referral, decision, context) : denialOf(decision, question, context);
  const additional = signAdditional(decision.additional, context);
  if (!answers || !authority) return limited(decision);
  const isSigned = [...answers, ...authority].some(({ rrsig }) => rrsig);
  const isCompact = authority.some(({ set }) => set.type === types.NSEC);
  return {
    ...unchanged,
    rcode: isCompact && !compactOk ? "NOERROR" : rcode,
    answers,
    authority,
    additional,
    compactOk: compactOk && isSigned,
  };
}

/** Where a decision sends whoever asks on to: its authority section has the NS of a delegation. */
function referralOf({ authority: [first] }: Securable, { zones }: Context["snapshot"]): Referral | undefined {
  if (first?.set.type !== types.NS) return undefined;
  const zone = closestZone(zones, first.owner);
  return zone && zone.apex !== first.owner ? { owner: first.owner, zone } : undefined;
}

/** Whether what is below a delegation is signed: its DS, or an NSEC without that. @see RFC 4035 §3.1.4, RFC 9824 §3.4 */
function proofOf(
  { owner, zone }: Referral,
  { authority }: Securable,
  context: Context,
): readonly OwnedSet[] | undefined {
  if (!context.snapshot.signers.has(zone.apex)) return authority;
  const node = zone.nodes.get(owner);
  const ds = node?.cut?.ds;
  const proof = ds ? { owner, set: ds } : nsecOf({ owner, zone, node }, types.DS, context);
  const signed = proof && signIn(zone, proof, context);
  return signed && [...authority, signed];
}

/** The SOA of a negative answer, and the NSEC that proves it. */
function denialOf(decision: Securable, question: Question, context: Context): readonly OwnedSet[] | undefined {
  const authority = signAll(decision.authority, context);
  if (!authority || authority.length === 0) return authority;
  const denied = deniedBy(decision, question, context);
  const nsec = denied && nsecOf(denied, question.type, context);
  if (!nsec) return authority;
  const signed = signIn(denied.zone, nsec, context);
  return signed && [...authority, signed];
}

/** The end of the chain of aliases. */
function deniedBy({ answers }: Securable, { name, type }: Question, { snapshot }: Context): Denied | undefined {
  const alias = answers.findLast(({ set }) => set.type === types.CNAME)?.set.data[0];
  const owner = alias ? nameOf(alias) : name;
  const zone = zoneFor(snapshot.zones, owner, type);
  return zone && { owner, zone, node: findNode(zone, owner) };
}

/** A name that is the whole of uncompressed RDATA, its letters lowered. */
function nameOf(data: Uint8Array): Name {
  return Buffer.from(data).toString("latin1", 0, data.length - 1);
}

/** @param notType left out of the types of the name: a steered name may have AAAA in another region
 * @returns undefined if the dnsZone is not signed */
function nsecOf({ owner, zone, node }: Denied, notType: number, { snapshot }: Context): OwnedSet | undefined {
  if (!snapshot.signers.has(zone.apex)) return undefined;
  const present = node ? typesAt(node, snapshot).filter((type) => type !== notType) : [];
  const kind = node?.cut ? "delegation" : node ? "nodata" : "nxname";
  const set = nsecSet(owner, zone.apex, present, kind, zone.negativeSoa.set.ttl);
  return { owner, set };
}

/** Whatever may be answered for a name, in whichever region. */
function typesAt({ sets, steered, cut }: Node, { services }: Context["snapshot"]): number[] {
  const regions = steered ? (services.get(steered.service)?.view.regions.values() ?? []) : [];
  const addresses = [...regions].flatMap((region) => region.addresses.map(({ type }) => type));
  return [...sets.keys(), ...(cut ? [types.NS] : []), ...addresses, ...(steered?.bindings.keys() ?? [])];
}

/** Such a name has no records of its own: what the DNAME makes of it is answered. */
function isBelowDname(name: Name, { zones }: Context["snapshot"]): boolean {
  const zone = closestZone(zones, name);
  const encloser = zone && closestEncloser(zone, name);
  return encloser !== undefined && encloser !== name && zone?.nodes.get(encloser)?.subtreeAlias !== undefined;
}

/** NSEC, or the signature of it: all that is shown of the signatures of a name (RFC 8482 in spirit). Aliases are not
 * followed: both stand beside a CNAME (RFC 4035 §2.5). */
function answerOfEveryName(
  decision: Secured,
  { name: owner, type }: Question,
  { dnssecOk, compactOk }: Pick<Asked, "dnssecOk" | "compactOk">,
  context: Context,
): Secured {
  const zone = closestZone(context.snapshot.zones, owner);
  const node = zone && findNode(zone, owner);
  // Without DO a name that is not there has no NSEC either.
  if (!zone || (!node && !dnssecOk)) return decision;
  const nsec = nsecOf({ owner, zone, node }, type, context);
  if (!nsec) return decision;
  const signed = signIn(zone, nsec, context);
  if (!signed?.rrsig) return limited(decision);
  const answer = type === types.RRSIG ? { owner, set: signed.rrsig } : dnssecOk ? signed : nsec;
  return { ...decision, rcode: "NOERROR", answers: [answer], authority: [], compactOk };
}

/** @returns undefined if the limit of what is signed on demand is reached */
function signAll(sets: readonly OwnedSet[], context: Context): OwnedSet[] | undefined {
  const signed: OwnedSet[] = [];
  for (const [i, owned] of sets.entries()) {
    // What a DNAME makes is proved by the DNAME (RFC 6672 §5.3.1).
    const isMade = owned.set.type === types.CNAME && sets[i - 1]?.set.type === types.DNAME;
    const one = isMade ? owned : signOwned(owned, context);
    if (!one) return undefined;
    signed.push(one);
  }
  return signed;
}

/** What goes along is signed where it is ours: glue is not. */
function signAdditional(sets: readonly OwnedSet[], context: Context): readonly OwnedSet[] {
  const { zones } = context.snapshot;
  const isOurs = ({ owner, set }: OwnedSet) => closestZone(zones, owner)?.nodes.get(owner)?.sets.get(set.type) === set;
  return sets.map((owned) => (isOurs(owned) ? (signOwned(owned, context) ?? owned) : owned));
}

function signOwned(owned: OwnedSet, context: Context): OwnedSet | undefined {
  const { owner, set } = owned;
  const zone = zoneFor(context.snapshot.zones, owner, set.type);
  // The NS of a delegation is the child's to sign (RFC 4035 §2.2).
  if (!zone || (set.type === types.NS && owner !== zone.apex)) return owned;
  return signIn(zone, owned, context);
}

/** @param zone in which it stands: a name where dnsZones meet has records in both */
function signIn(zone: Zone, owned: OwnedSet, { snapshot, transport }: Context): OwnedSet | undefined {
  const { owner, set } = owned;
  const signer = snapshot.signers.get(zone.apex);
  if (!signer) return owned;
  const rrsig = zone.nodes.has(owner) ? signer.sign(owner, set) : signer.signPassing(owner, set, transport);
  return rrsig && { ...owned, rrsig };
}

function limited({ rcode, authoritative }: Securable): Secured {
  return { rcode, authoritative, answers: [], authority: [], additional: [], compactOk: false, isLimited: true };
}
