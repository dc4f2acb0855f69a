import { formatAddress, parseAddress, parseCidr } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import { decide } from "./decide.ts";
import type { Asker, Decision, Question } from "./decide.ts";
import { depthOf } from "./geo-tree/tree.ts";
import type { Snapshot } from "./snapshot.ts";
import { steerClient } from "./steer/regions.ts";
import { classes, parseType, typeName, types } from "./wire/codes.ts";
import { formatName, parseName } from "./wire/name.ts";
import type { Name } from "./wire/name.ts";
import type { OwnedSet } from "./wire/body.ts";
import { zoneFor } from "./zone/resolve.ts";

/** What would be answered, and why: `name`, `type` (default A), `client`, and `ecs` if a resolver would tell one.
 * @throws {UsageError} if the query does not say enough */
export function explain(parameters: URLSearchParams, snapshot: Snapshot): Record<string, unknown> {
  const question = questionOf(parameters);
  const client = parseAddress(parameters.get("client") ?? "");
  if (!client) throw new UsageError(`explain needs client=ADDRESS; got "${parameters.get("client") ?? ""}"`);
  const ecs = parameters.get("ecs") ?? undefined;
  const subnet = ecs === undefined ? undefined : subnetOf(ecs);
  const asker = { client, subnet };
  return describe(question, asker, ecs, decide(question, asker, snapshot, true), snapshot);
}

function questionOf(parameters: URLSearchParams): Question {
  const text = parameters.get("name") ?? "";
  const name = text === "@" ? undefined : parseName(text, "");
  if (name === undefined) throw new UsageError(`explain needs name=NAME, such as www.example.org; got "${text}"`);
  const typeText = parameters.get("type") ?? "A";
  const type = parseType(typeText);
  if (type === undefined) throw new UsageError(`"${typeText}" is not a record type`);
  return { name, type, class: classes.IN };
}

function subnetOf(text: string): Asker["subnet"] {
  const cidr = parseCidr(text);
  if (!cidr) throw new UsageError(`ecs=${text} is not a network such as 81.2.69.0/24`);
  return { address: cidr.prefix === 0 ? undefined : cidr.bytes };
}

/** A decision for people and tools: the same shape in explain and in recorded traces. */
export function describe(
  question: Pick<Question, "name" | "type">,
  { client, subnet }: Asker,
  ecs: string | undefined,
  decision: Decision,
  snapshot: Pick<Snapshot, "zones" | "signers">,
): Record<string, unknown> {
  const { steered, answers, reason, rule } = decision;
  const isAlias = ({ set }: OwnedSet) => set.type === types.CNAME && question.type !== types.CNAME;
  const ttls = answers.map(({ set }) => set.ttl);
  return {
    name: display(question.name),
    type: typeName(question.type),
    client: formatAddress(client),
    ecs: ecs ?? null,
    decidedBy: steered ? (subnet?.address ? "ecs" : "client") : null,
    source: steered ? sourceOf(steered) : null,
    place: steered?.located.place ?? null,
    service: steered?.service.name ?? null,
    rule,
    reason,
    list: steered?.steering.regions ?? [],
    shift: steered ? shiftOf(steered) : null,
    region: reason === "FAIL_OPEN" ? null : (steered?.chosen[0]?.name ?? null),
    regions: (steered?.candidates ?? []).map((region) => ({
      region: region.name,
      chosen: steered?.chosen.includes(region) ?? false,
      healthy: region.healthy,
      reason: region.reason,
      override: region.override,
      changing: region.changing,
      addresses: region.addresses.map(({ address, weight, state, reason: why, override }) => ({
        address,
        weight,
        state,
        reason: why,
        override,
      })),
    })),
    rcode: decision.rcode,
    chain: answers.filter(isAlias).map(({ owner }) => display(owner)),
    answer: answers.filter((owned) => !isAlias(owned)).flatMap(({ set }) => set.texts),
    ttl: ttls.length > 0 ? Math.min(...ttls) : null,
    ttlReason: steered ? ttlReason(steered) : null,
    scope: decision.scopePrefix,
    dnssec: dnssecOf(question, decision, snapshot),
  };
}

/** By which keys the answer is signed for those who set DO; null where it is not. A name that is not there is NOERROR to them
 * (RFC 9824 §3.1). */
function dnssecOf(
  { name, type }: Pick<Question, "name" | "type">,
  { rcode, authoritative }: Decision,
  { zones, signers }: Pick<Snapshot, "zones" | "signers">,
) {
  const zone = zoneFor(zones, name, type);
  const signer = zone && signers.get(zone.apex);
  if (!signer || !authoritative) return null;
  return {
    dnsZone: display(zone.apex),
    keys: signer.tagsFor(type),
    rcode: rcode === "NXDOMAIN" ? "NOERROR" : rcode,
  };
}

/** Where an address is and which regions it gets, and why, whatever the name and the health.
 * @throws {UsageError} without an address */
export function explainPlace(text: string, { geo, rules, compiled }: Snapshot): Record<string, unknown> {
  const address = parseAddress(text);
  if (!address) throw new UsageError(`"${text}" is not an IP address`);
  const located = geo.placeOf(address);
  const steering = steerClient(located, rules);
  return {
    address: formatAddress(address),
    source: sourceOf({ located }),
    place: located.place,
    rule: steering.rule,
    shift: shiftOf({ steering }),
    list: steering.regions,
    scope: depthOf(compiled.tree.find(address)),
  };
}

type Steered = NonNullable<Decision["steered"]>;

function sourceOf({ located }: Pick<Steered, "located">) {
  const { source, network, prefix, embedded, key } = located;
  return { kind: source, network, prefix, embedded: embedded && { kind: embedded, address: formatAddress(key) } };
}

function shiftOf({ steering: { shift } }: Pick<Steered, "steering">) {
  return shift && { from: shift.from, to: shift.to, percent: shift.percent };
}

/** OK, or CHANGING: the TTL is lower. */
function ttlReason({ changing }: Steered): Reason {
  return changing ? "CHANGING" : "OK";
}

function display(name: Name): string {
  const text = formatName(name);
  return text === "." ? text : text.slice(0, -1);
}
