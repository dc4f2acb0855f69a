import type { HeaderEdits } from "#shared/config/schema/route-actions.ts";
import type { StickyConfig } from "#shared/config/schema/sticky.ts";
import { bucketCount } from "#shared/endpoint/affinity-order.ts";
import { rewrite, scopeOf } from "./admit.ts";
import type { RequestHead } from "./head.ts";
import { ownRouteAnswer } from "./policy/own-route.ts";
import type { Asker } from "./policy/rate-limit.ts";
import { affinityOf } from "./policy/sticky.ts";
import type { StickyBy, StickyUser } from "./policy/sticky.ts";
import type { StickyKeys } from "./policy/sticky-keys.ts";
import type { CompiledRoute } from "./route/compile.ts";
import { sideOf } from "./route/split.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import { notHedged } from "./upstream/hedging.ts";

/** What one policy of a route says of a request. */
export interface PolicyVerdict {
  readonly policy: string;
  /** For people. */
  readonly verdict: string;
}

/** The policies of a route in the order in which they are asked. Chance is not drawn: its share is told. */
export function explainPolicies(route: CompiledRoute, head: RequestHead, client: string, site: Site): PolicyVerdict[] {
  const { config } = route;
  const told: PolicyVerdict[] = [];
  const say = (policy: string, verdict: string): void => void told.push({ policy, verdict });
  if (config.name !== undefined || config.maintenance)
    say("maintenance", site.maintenance.isOn(config) ? "on: 503" : "off");
  const { fault, mirror, split, redirect, respond, requestHeaders, replyHeaders } = config;
  if (fault?.delay !== undefined) say("fault", `${fault.delayPercent} % are delayed by ${fault.delay} ms`);
  if (fault?.abort !== undefined) say("fault", `${fault.abortPercent} % are aborted with ${fault.abort}`);
  if (mirror) say("mirror", `${mirror.percent} % of ${mirror.methods.join(", ")} are copied to ${mirror.pool}`);
  if (redirect) say("redirect", `${redirect.status} to ${ownRouteAnswer(route, head)?.headers?.[1] ?? ""}`);
  if (respond) say("respond", `${respond.status}, ${respond.body.length} characters`);
  if (split) say("split", `${sideOf(client, split)} by the client's hash, of ${sharesText(split)}`);
  if (config.rewrite) {
    const rewritten = rewrite(route, head);
    if ("reason" in rewritten) say("rewrite", `${rewritten.status}: ${rewritten.message}`);
    else say("rewrite", `${rewritten.target} at ${rewritten.authority}`);
  }
  if (requestHeaders) say("requestHeaders", editsText(requestHeaders));
  if (replyHeaders) say("replyHeaders", editsText(replyHeaders));
  return told;
}

/** Every rate that would be asked; nothing is taken. */
export function explainRates(
  route: CompiledRoute,
  asker: Asker,
  { snapshot, rateLimiter }: Site,
): { readonly isOver: boolean; readonly told: readonly PolicyVerdict[] } {
  const verdicts = [
    ...rateLimiter.look("", undefined, asker),
    ...rateLimiter.look(scopeOf(route), route.config.rates ?? [], asker),
  ];
  if (verdicts.length === 0) return { isOver: false, told: [] };
  const policy = "rate";
  if (snapshot.isTrusted(asker.client))
    return { isOver: false, told: [{ policy, verdict: "a trusted peer: not counted" }] };
  const told = verdicts.map(({ rate, burst, tokens }) => {
    const left = Math.floor(tokens);
    return {
      policy,
      verdict: `${rate.name}: ${left < 1 ? "429: none" : left} of ${burst} left, ${rate.requestsPerSecond} a second`,
    };
  });
  return { isOver: verdicts.some(({ tokens }) => tokens < 1), told };
}

const byText: Readonly<Record<StickyBy, string>> = {
  kept: "by its cookie",
  renewed: "by its cookie, which is renewed",
  new: "drawn by chance, as it has no cookie: one is set",
  forged: "drawn by chance, as its cookie is not ours: a new one is set",
  expired: "drawn by chance, as its cookie is too old: a new one is set",
  header: "by the hash of its header",
  "no header": "drawn by chance, as the header is not there",
  clientAddress: "by the hash of its address",
};

/** Where a sticky pool keeps a user. What is drawn by chance is an example. */
export function explainSticky(
  sticky: StickyConfig | undefined,
  user: StickyUser,
  keys: StickyKeys,
): { readonly bucket: number; readonly told: PolicyVerdict } | undefined {
  if (!sticky) return undefined;
  const { bucket, by } = affinityOf(sticky, user, keys, () => 0);
  const verdict = `bucket ${bucket} of ${bucketCount}, ${byText[by]}; zone and endpoint follow from the bucket`;
  return { bucket, told: { policy: "sticky", verdict } };
}

/** Whether a request would be tried at a second endpoint too, if the first is slow. */
export function explainHedge(request: RequestHead, { hedging, pool }: RoutedPool): PolicyVerdict[] {
  if (!hedging) return [];
  const why = notHedged(request);
  const afterMs = hedging.afterMs();
  if (why !== undefined) return [{ policy: "hedge", verdict: `never: ${why}` }];
  if (afterMs === undefined) return [{ policy: "hedge", verdict: "not yet: too few answers are known" }];
  const where = pool.endpoints.length > 1 ? "at a second endpoint as well" : "nowhere, as there is no second endpoint";
  return [{ policy: "hedge", verdict: `after ${afterMs} ms without an answer ${where}, if the retry budget has it` }];
}

function sharesText(shares: readonly { readonly pool: string; readonly weight: number }[]): string {
  return shares.map(({ pool, weight }) => `${pool} ${weight}`).join(", ");
}

function editsText({ remove, set, add }: HeaderEdits): string {
  const parts = [
    ...remove.map((name) => `removes ${name}`),
    ...Object.keys(set).map((name) => `sets ${name}`),
    ...Object.keys(add).map((name) => `adds ${name}`),
  ];
  return parts.join(", ") || "nothing";
}
