import { parseAddress, formatAddress } from "#shared/core/cidr.ts";
import { assert, UsageError } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import { poolOf, rewrite } from "./admit.ts";
import { explainHedge, explainPolicies, explainRates, explainSticky } from "./explain-policies.ts";
import type { PolicyVerdict } from "./explain-policies.ts";
import { closedAnswer, ownRouteAnswer } from "./policy/own-route.ts";
import { BodyFields, noBody } from "./route/body.ts";
import type { RequestBody } from "./route/body.ts";
import { explainRoutes } from "./route/match.ts";
import type { Site } from "./site.ts";
import { Client } from "./visitor.ts";

const methodForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What would be decided for a request, and why, without doing it: `method` (default GET), `url` (a path or a URL),
 * `client` (its address), one `header.NAME=VALUE` for each header, and `body`, for routes that ask for a field of it.
 * @throws {UsageError} if the query does not say enough */
export function explain(site: Site, query: URLSearchParams): Record<string, unknown> {
  const method = (query.get("method") ?? "GET").toUpperCase();
  const target = query.get("url");
  if (target === null) throw new UsageError("explain needs url: a path, or a URL with a host");
  if (!methodForm.test(method)) throw new UsageError(`method: "${method}" is none`);
  const client = clientOf(query.get("client") ?? "127.0.0.1");
  const headers = headersOf(query);
  const read = readHead({ method, target, version: "1.1", headers }, site.snapshot.config.limits);
  if (!read.ok) {
    const { status, reason, message } = read.refusal;
    return { method, url: target, client, reason, status, message, routes: [] };
  }
  return { method, url: target, client, ...decide(site, read.head, client, bodyOf(query, site)) };
}

function bodyOf(query: URLSearchParams, { snapshot }: Site): RequestBody {
  const text = query.get("body");
  if (text === null) return noBody;
  const bytes = Buffer.from(text);
  const bytesMax = snapshot.config.limits.bodyMatchBytes;
  return bytes.length > bytesMax ? { state: "tooLarge", bytesMax } : { state: "read", fields: new BodyFields(bytes) };
}

function decide(site: Site, head: RequestHead, client: string, body: RequestBody): Record<string, unknown> {
  const { table, pools, geo } = site.snapshot;
  const visitor = new Client(client, geo);
  const routes = explainRoutes(table, head, visitor, body);
  const seen = { path: head.path, host: head.host, country: geo ? visitor.country : null, routes };
  const none = { policies: [], pool: null, choice: null };
  const last = routes.at(-1);
  const route = last?.matched ? table.routes[last.index] : undefined;
  if (!route) {
    const isTooLong = last?.tooLong ?? false;
    return { ...seen, ...none, reason: isTooLong ? "TARGET_TOO_LONG" : "NO_ROUTE", status: isTooLong ? 414 : 404 };
  }
  const rates = explainRates(route, { client, request: head }, site);
  const policies: PolicyVerdict[] = [...rates.told, ...explainPolicies(route, head, client, site)];
  if (rates.isOver) return { ...seen, ...none, policies, reason: "RATE_LIMITED", status: 429 };
  const own = site.maintenance.isOn(route.config) ? closedAnswer(route.config) : ownRouteAnswer(route, head);
  const rewritten = rewrite(route, head);
  const refused = own ?? ("reason" in rewritten ? rewritten : undefined);
  if (refused) return { ...seen, ...none, policies, reason: refused.reason, status: refused.status };
  const routed = pools.get(poolOf(route, client));
  assert(routed, "the pools of a route were checked with the config");
  const { pool } = routed;
  const affinity = explainSticky(pool.config.sticky, { request: head, client }, site.snapshot.stickyKeys);
  if (affinity) policies.push(affinity.told);
  policies.push(...explainHedge(head, routed));
  const choice = pool.choose({ hash: hash32(client), affinity: affinity?.bucket, tried: [], peek: true });
  const status = choice.endpoint ? null : 503;
  const described = pool.describe(choice, [], affinity ? "ip-hash" : undefined);
  const bucket = affinity?.bucket ?? null;
  return { ...seen, policies, reason: choice.reason, status, pool: pool.name, bucket, choice: described };
}

function clientOf(text: string): string {
  const bytes = parseAddress(text);
  if (!bytes) throw new UsageError(`client: "${text}" is not an IP address`);
  return formatAddress(bytes);
}

/** Host comes from the URL, from header.host, or is localhost. */
function headersOf(query: URLSearchParams): string[] {
  const headers: string[] = [];
  for (const [key, value] of query) if (key.startsWith("header.")) headers.push(key.slice("header.".length), value);
  const hasHost = headers.some((text, i) => i % 2 === 0 && text.toLowerCase() === "host");
  return hasHost ? headers : ["Host", "localhost", ...headers];
}
