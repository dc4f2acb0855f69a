import type { AddressBytes } from "#shared/core/cidr.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Located } from "#shared/geo/geo.ts";
import { isAuthoritative, sectionsOf } from "./compiled/zones.ts";
import { depthOf } from "./geo-tree/tree.ts";
import type { AddressView, RegionView, ServiceView, Snapshot } from "./snapshot.ts";
import { chooseRegions } from "./steer/failover.ts";
import { steerClient } from "./steer/regions.ts";
import type { Steering } from "./steer/regions.ts";
import type { Sections } from "./wire/body.ts";
import { classes, isMeta, typeName, types } from "./wire/codes.ts";
import type { Rcode } from "./wire/codes.ts";
import { formatName } from "./wire/name.ts";
import type { Name } from "./wire/name.ts";
import { bindingSet } from "./zone/binding.ts";
import { resolve } from "./zone/resolve.ts";
import type { Resolution } from "./zone/resolve.ts";

export interface Question {
  readonly name: Name;
  readonly type: number;
  readonly class: number;
}

/** Who asks, and from where. */
export interface Asker {
  /** Source address of the query. */
  readonly client: AddressBytes;
  /** The client subnet that the query tells; it decides, if it has an address: a client may hide it. */
  readonly subnet: { readonly address: AddressBytes | undefined } | undefined;
}

/** Which region's addresses. */
export interface SteeredChoice {
  readonly service: ServiceView;
  readonly located: Located;
  readonly steering: Steering;
  /** Whether the TTL is lower, for a region that is changing. */
  readonly changing: boolean;
  /** Seconds. */
  readonly ttl: number;
  readonly candidates: readonly RegionView[];
  readonly chosen: readonly RegionView[];
}

/** What a question gets, before it is written as bytes. */
export interface Decision extends Sections {
  readonly rcode: Rcode;
  /** `OK`, `REGION_FAILOVER` or `FAIL_OPEN`; `STARTING`, `NOT_OUR_ZONE` or `NOT_SERVED` where there is no answer. */
  readonly reason: Reason;
  /** What decided, for people: the steering rule that matched, or why none was asked. */
  readonly rule: string;
  readonly authoritative: boolean;
  /** Leading bits of the client's address that the answer depends on. */
  readonly scopePrefix: number;
  readonly steered?: SteeredChoice;
}

const staticRecords = { reason: "OK", rule: "static records" } as const;
const notInIdentity = "class CH: not in the identity";
const notAskable = { reason: "NOT_SERVED", rule: "NXNAME cannot be asked for" } as const; // RFC 9824 §3.5
export const outside = { reason: "NOT_OUR_ZONE", rule: "outside every DNS zone" } as const;

/** Decides one question, with the reasons: for explain, for recorded decisions, and for what is not compiled. What is
 * compiled comes from the same rules (`resolve`, `steer`, `networkRulesOf`, `Choice`), so that both always agree.
 * @param peek do not move the rotation on: the answer is not given to anybody */
export function decide(question: Question, asker: Asker, snapshot: Snapshot, peek = false): Decision {
  const unserved = decideUnserved(question.type, question.class);
  if (unserved) return unserved;
  if (question.class === classes.CH) return decideChaos(question, snapshot);
  const resolution = resolve(snapshot.zones, question.name, question.type);
  if (resolution.rcode === "REFUSED") return bare("REFUSED", outside);
  if (resolution.steered) return decideSteered(question.type, resolution, resolution.steered, asker, snapshot, peek);
  const { referral } = resolution;
  return {
    rcode: resolution.rcode,
    ...staticRecords,
    ...(referral && { rule: `delegated: ${formatName(referral.owner)}` }),
    authoritative: isAuthoritative(resolution),
    ...sectionsOf(snapshot.zones, resolution),
    scopePrefix: 0,
  };
}

/** What no name has, whatever the dnsZones hold; undefined for all other questions. */
export function decideUnserved(type: number, class_: number): Decision | undefined {
  if (class_ === classes.CH) return type === types.TXT ? undefined : refused(notInIdentity);
  if (class_ !== classes.IN) return refused("a class that is not served");
  if (isMeta(type)) return decideMeta(type);
  return type === types.NXNAME ? bare("FORMERR", notAskable) : undefined;
}

function refused(rule: string): Decision {
  return bare("REFUSED", { reason: "NOT_SERVED", rule });
}

const nothing: Sections = { answers: [], authority: [], additional: [] };

function bare(rcode: Rcode, why: Pick<Decision, "reason" | "rule">): Decision {
  return { rcode, ...why, authoritative: false, ...nothing, scopePrefix: 0 };
}

/** @see RFC 5936 §2.2.1 (AXFR), RFC 6891 §6.1 and RFC 8945 §4.2 (OPT and TSIG stand in messages only) */
function decideMeta(type: number): Decision {
  if (type === types.AXFR || type === types.IXFR) return refused("zone transfers are not served");
  const isRecordOfMessages = type === types.OPT || type === types.TSIG;
  if (isRecordOfMessages)
    return bare("FORMERR", { reason: "NOT_SERVED", rule: `${typeName(type)} cannot be asked for` });
  return bare("NOTIMP", { reason: "NOT_SERVED", rule: `${typeName(type)} is not implemented` });
}

function decideChaos({ name }: Question, { identity }: Snapshot): Decision {
  const set = identity.chaos.get(name);
  if (!set) return refused(notInIdentity);
  return {
    ...bare("NOERROR", { reason: "OK", rule: "identity" }),
    authoritative: true,
    answers: [{ owner: name, set }],
  };
}

function decideSteered(
  type: number,
  resolution: Resolution,
  { service: serviceName, ttl: ownTtl }: NonNullable<Resolution["steered"]>,
  { client, subnet }: Asker,
  { services, geo, rules, compiled }: Snapshot,
  peek: boolean,
): Decision {
  const answers = services.get(serviceName);
  // SERVFAIL makes a resolver ask the twin at once. Silence would cost it a time-out, and a guess would send clients to a
  // region that may be down, for as long as the TTL lasts.
  if (!answers?.view.ready)
    return bare("SERVFAIL", { reason: "STARTING", rule: `first health round of ${serviceName}` });
  const { view } = answers;
  const address = subnet?.address ?? client;
  const located = geo.placeOf(address);
  const steering = steerClient(located, rules);
  const { reason, candidates, chosen, changing } = chooseRegions(steering.regions, view.regions, view.answerRegions);
  const choice = answers.choose(steering.regions);
  const turns = choice?.turnsOf(type);
  const addresses = turns?.orders[peek ? turns.next : turns.take()] ?? [];
  if (choice && !peek) choice.answered++;
  const ttl = choice?.ttl(ownTtl) ?? view.ttl;
  return {
    rcode: "NOERROR",
    reason,
    rule: steering.rule,
    authoritative: true,
    // Who hides the address is answered by where the resolver is: that holds for all who ask through it.
    scopePrefix: subnet && !subnet.address ? 0 : depthOf(compiled.tree.find(address)),
    steered: { service: view, located, steering, candidates, chosen, changing, ttl },
    ...steeredAnswer(type, resolution, ttl, addresses),
  };
}

/** The sections of a steered answer with these addresses, or with a record that has them as hints, kept for `ttl` seconds.
 * Without any the region has addresses of the other family only:
 * A and AAAA name the same region, so nobody is sent elsewhere by AAAA. */
export function steeredAnswer(
  type: number,
  { answers, steered, zone }: Resolution,
  ttl: number,
  addresses: readonly AddressView[],
): Sections {
  if (addresses.length === 0 || !steered) return { answers, authority: zone ? [zone.negativeSoa] : [], additional: [] };
  const data = addresses.map((one) => one.data);
  const binding = steered.bindings.get(type);
  const set = binding
    ? bindingSet(type, binding, ttl, data)
    : { type, ttl, data, texts: addresses.map(({ address }) => address) };
  return { answers: [...answers, { owner: steered.owner, set }], authority: [], additional: [] };
}
