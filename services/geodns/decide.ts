import type { AddressBytes } from "#shared/core/cidr.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Located } from "#shared/geo/geo.ts";
import type { AddressView, RegionView, ServiceView, Snapshot } from "./snapshot.ts";
import { chooseRegion } from "./steer/failover.ts";
import { steer } from "./steer/regions.ts";
import { classes, notReadyError, types } from "./wire/codes.ts";
import type { Rcode } from "./wire/codes.ts";
import type { Subnet } from "./wire/ecs.ts";
import type { Question } from "./wire/query.ts";
import type { OwnedSet, Reply } from "./wire/reply.ts";
import { resolve } from "./zone/resolve.ts";
import type { Resolution } from "./zone/resolve.ts";

/** Who asks, and from where. */
export interface Asker {
  /** Source address of the query. */
  readonly client: AddressBytes;
  /** The client subnet that the query tells; it decides, if it has an address. */
  readonly subnet: Pick<Subnet, "address"> | undefined;
}

/** Which region's addresses. */
export interface SteeredChoice {
  readonly service: ServiceView;
  readonly located: Located;
  readonly candidates: readonly RegionView[];
  readonly chosen: readonly RegionView[];
}

/** What a question gets, before it is written as bytes. */
export interface Decision {
  readonly rcode: Rcode;
  /** `OK`, `REGION_FAILOVER` or `FAIL_OPEN`; `STARTING`, `NOT_OUR_ZONE` or `NOT_SERVED` where there is no answer. */
  readonly reason: Reason;
  /** What decided, for people: the steering rule that matched, or why none was asked. */
  readonly rule: string;
  readonly authoritative: boolean;
  readonly answers: readonly OwnedSet[];
  readonly authority: readonly OwnedSet[];
  /** Leading bits of the client's address that the answer depends on. */
  readonly scopePrefix: number;
  readonly extendedError?: NonNullable<Reply["extendedError"]>;
  readonly steered?: SteeredChoice;
}

const staticRecords = { reason: "OK", rule: "static records" } as const;
const outside = { reason: "NOT_OUR_ZONE", rule: "outside every DNS zone" } as const;
const notReady = { code: notReadyError, text: "the first health checks are under way" };

/** Decides one question. Pure but for the rotation of addresses.
 * @param peek do not move the rotation on: the answer is not given to anybody */
export function decide(question: Question, asker: Asker, snapshot: Snapshot, peek = false): Decision {
  if (question.class === classes.CH) return decideChaos(question, snapshot);
  if (question.class !== classes.IN) return refused("a class that is not served");
  if (question.type === types.AXFR || question.type === types.IXFR) return refused("zone transfers are not served");
  const resolution = resolve(snapshot.zones, question.name, question.type);
  if (resolution.rcode === "REFUSED") return bare("REFUSED", outside);
  if (resolution.steered) return decideSteered(question.type, resolution, resolution.steered, asker, snapshot, peek);
  return {
    rcode: resolution.rcode,
    ...staticRecords,
    authoritative: true,
    answers: resolution.answers,
    authority: resolution.negative && resolution.zone ? [resolution.zone.negativeSoa] : [],
    scopePrefix: 0,
  };
}

function refused(rule: string): Decision {
  return bare("REFUSED", { reason: "NOT_SERVED", rule });
}

function bare(rcode: Rcode, why: Pick<Decision, "reason" | "rule">): Decision {
  return { rcode, ...why, authoritative: false, answers: [], authority: [], scopePrefix: 0 };
}

function decideChaos({ name, type }: Question, { identity }: Snapshot): Decision {
  const set = type === types.TXT ? identity.chaos.get(name) : undefined;
  if (!set) return refused("class CH: not in the identity");
  return {
    ...bare("NOERROR", { reason: "OK", rule: "identity" }),
    authoritative: true,
    answers: [{ owner: name, set }],
  };
}

function decideSteered(
  type: number,
  resolution: Resolution,
  { owner, service: serviceName, ttl }: NonNullable<Resolution["steered"]>,
  { client, subnet }: Asker,
  { services, geo, rules }: Snapshot,
  peek: boolean,
): Decision {
  const service = services.get(serviceName);
  // SERVFAIL makes a resolver ask the twin at once. Silence would cost it a time-out, and a guess would send clients to a
  // region that may be down, for as long as the TTL lasts.
  if (!service?.ready) {
    const rule = `first health round of ${serviceName}`;
    return { ...bare("SERVFAIL", { reason: "STARTING", rule }), extendedError: notReady };
  }
  const located = geo.placeOf(subnet?.address ?? client);
  const { regions, rule } = steer(located.place, rules);
  const { reason, candidates, chosen } = chooseRegion(regions, service.regions);
  const addresses = addressesOf(service, { reason, chosen }, type, peek);
  const decision = {
    rcode: "NOERROR",
    reason,
    rule,
    authoritative: true,
    // Who hides the address is answered by where the resolver is: that holds for all who ask through it.
    scopePrefix: subnet && !subnet.address ? 0 : located.prefix,
    steered: { service, located, candidates, chosen },
  } as const;
  // The region has addresses of the other family only. A and AAAA name the same region, so nobody is sent elsewhere by AAAA.
  if (addresses.length === 0)
    return {
      ...decision,
      answers: resolution.answers,
      authority: resolution.zone ? [resolution.zone.negativeSoa] : [],
    };
  const set = {
    type,
    ttl: ttl ?? service.ttl,
    data: addresses.map(({ data }) => data),
    texts: addresses.map(({ address }) => address),
  };
  return { ...decision, answers: [...resolution.answers, { owner, set }], authority: [] };
}

/** Those that are up in the chosen region, rotated, `answers` of them. Failing open: every address of every candidate, but
 * for those that an operator has disabled. */
function addressesOf(
  service: ServiceView,
  { reason, chosen }: Pick<Decision, "reason"> & Pick<SteeredChoice, "chosen">,
  type: number,
  peek: boolean,
): readonly AddressView[] {
  const failOpen = reason === "FAIL_OPEN";
  const mayAnswer = chosen.some(({ addresses }) => addresses.some(({ state }) => state !== "disabled"))
    ? ({ up, state }: AddressView) => (failOpen ? state !== "disabled" : up)
    : () => true;
  return chosen.flatMap((region) => {
    const fit = region.addresses.filter((address) => address.type === type && mayAnswer(address));
    return service.order.take(`${region.name} ${type}`, fit, failOpen ? fit.length : service.answers, peek);
  });
}
