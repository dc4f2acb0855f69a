import type { HeaderEdits, MirrorConfig } from "#shared/config/schema/route-actions.ts";
import { assert } from "#shared/core/error.ts";
import type { ClientFacts } from "./engine/engine.ts";
import { deniedRefusal, entranceRefusal } from "./entrance.ts";
import type { Entrance } from "./entrance.ts";
import type { RequestHead } from "./head.ts";
import { bodyByHead } from "./held-body.ts";
import { ownAnswerOf } from "./own-answers.ts";
import type { Passage } from "./passage.ts";
import { faultOf } from "./policy/fault.ts";
import { isLoop } from "./policy/forwarded-headers.ts";
import { closedAnswer, ownRouteAnswer } from "./policy/own-route.ts";
import { affinityOf } from "./policy/sticky.ts";
import type { Affinity } from "./policy/sticky.ts";
import { refusal } from "./refusal.ts";
import type { Refusal } from "./refusal.ts";
import type { CompiledRoute } from "./route/compile.ts";
import { bodyWanted } from "./route/body.ts";
import type { RequestBody } from "./route/body.ts";
import { fill, rewritePath } from "./route/fill.ts";
import { matchRoute, pathTooLong } from "./route/match.ts";
import { sideOf } from "./route/split.ts";
import type { Site } from "./site.ts";
import type { RoutedPool } from "./snapshot.ts";
import { Client } from "./visitor.ts";

/** What a route decides for a request that goes on. */
export interface Admitted {
  readonly routed: RoutedPool;
  /** As it goes to the server. */
  readonly head: RequestHead;
  readonly requestHeaders: HeaderEdits | undefined;
  readonly mirror: MirrorConfig | undefined;
  /** For a drill: it goes on after so long. */
  readonly delayMs: number;
  /** Where a sticky pool keeps this user. */
  readonly affinity: Affinity | undefined;
}

/** By which a request has come in. */
export interface Door {
  readonly entrance: Entrance;
  readonly facts: Pick<ClientFacts, "tls" | "turnedAway">;
}

/** What is decided for a request. */
export type Admission = Admitted | Refusal | typeof bodyWanted;

/** The pool that a request goes to and what is changed on the way, or why it goes nowhere. `bodyWanted` where that hangs on
 * the body: then `admitRouted` tells it, once that is read. */
export function admit(head: RequestHead, { entrance, facts }: Door, site: Site, passage: Passage): Admission {
  const { tls, turnedAway } = facts;
  const { snapshot, viaName, rateLimiter } = site;
  const own =
    ownAnswerOf(head, site.unhealthy) ??
    (turnedAway && { ...turnedAway, ends: true }) ??
    deniedRefusal(entrance.access, passage.client) ??
    entranceRefusal(head, tls, entrance);
  if (own) return own;
  const asker = { client: passage.client, request: head };
  const limited = snapshot.isTrusted(passage.client) ? undefined : rateLimiter.refuse(asker);
  if (limited) return limited;
  if (isLoop(head.seen, viaName)) return refusal(508, "LOOP", "this router has already forwarded the request");
  return admitRouted(head, site, passage, bodyByHead(head.framing, snapshot.config.limits.bodyMatchBytes));
}

/** The same for a request that may be asked for its route. */
export function admitRouted(
  head: RequestHead,
  { snapshot, maintenance, host, rateLimiter }: Site,
  passage: Passage,
  body: RequestBody,
): Admission {
  const route = matchRoute(snapshot.table, head, new Client(passage.client, snapshot.geo), body);
  if (route === bodyWanted) return bodyWanted;
  if (route === pathTooLong) return refusal(414, "TARGET_TOO_LONG", "the path is too long for this route");
  if (!route) return refusal(404, "NO_ROUTE", "no route matches");
  const { config } = route;
  passage.take(route, poolOf(route, passage.client));
  if (snapshot.routeAccess[route.index]?.whyDenied(passage.client) !== undefined)
    return refusal(403, "DENIED", "this client is not let in here");
  if (maintenance.isOn(config)) return closedAnswer(config);
  if (config.rates && !snapshot.isTrusted(passage.client)) {
    const limited = rateLimiter.take(scopeOf(route), config.rates, { client: passage.client, request: head });
    if (limited) return limited;
  }
  const { delayMs, abort } = faultOf(config, host.random);
  if (abort !== undefined) return refusal(abort, "FAULT_INJECTED", "aborted by a drill");
  const own = ownRouteAnswer(route, head);
  if (own) return own;
  if (head.framing.kind === "length" && head.framing.bytes > snapshot.config.limits.bodyBytes)
    return refusal(413, "BODY_TOO_LARGE", "the body is too large");
  const rewritten = rewrite(route, head);
  if ("reason" in rewritten) return rewritten;
  const routed = snapshot.pools.get(passage.pool);
  assert(routed, "the pools of a route were checked with the config");
  const { requestHeaders, mirror } = config;
  const { sticky } = routed.pool.config;
  const user = { request: head, client: passage.client };
  const affinity = sticky && affinityOf(sticky, user, snapshot.stickyKeys, host.random);
  if (affinity) host.metrics.count("watershed_http_sticky_total", { pool: passage.pool, by: affinity.by });
  passage.setCookie = affinity?.setCookie;
  return { routed, head: rewritten, requestHeaders, mirror, delayMs, affinity };
}

/** Under which the rates of a route are counted. */
export function scopeOf({ config, index }: CompiledRoute): string {
  return config.name ?? `routes[${index}]`;
}

/** "" where the route leads to none. */
export function poolOf({ config }: CompiledRoute, client: string): string {
  return config.pool ?? (config.split ? sideOf(client, config.split) : "");
}

/** The head with the path and the host that the server gets. */
export function rewrite(route: CompiledRoute, head: RequestHead): RequestHead | Refusal {
  const { rewrite: wanted } = route.config;
  if (!wanted) return head;
  const path = wanted.path === undefined ? undefined : rewritePath(wanted.path, route, head);
  if (path && !path.ok) return refusal(400, "BAD_REQUEST", path.why);
  const target = path ? (head.query === "" ? path.path : `${path.path}?${head.query}`) : head.target;
  const authority = wanted.host === undefined ? head.authority : fill(wanted.host, route, head);
  return { ...head, target, authority };
}
