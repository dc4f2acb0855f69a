import type { HeaderEdits } from "#shared/config/schema/route-actions.ts";
import { rewrite } from "./admit.ts";
import type { RequestHead } from "./head.ts";
import { ownRouteAnswer } from "./policy/own-route.ts";
import type { CompiledRoute } from "./route/compile.ts";
import { sideOf } from "./route/split.ts";
import type { Site } from "./site.ts";

/** What one policy of a route says of a request. */
interface PolicyVerdict {
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
