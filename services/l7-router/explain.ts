import { parseAddress, formatAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { hash32 } from "#shared/core/hash.ts";
import { readHead } from "./head.ts";
import type { RequestHead } from "./head.ts";
import { explainRoutes } from "./route/match.ts";
import type { Snapshot } from "./snapshot.ts";

const methodForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** What would be decided for a request, and why, without doing it: `method` (default GET), `url` (a path or a URL),
 * `client` (its address), and one `header.NAME=VALUE` for each header.
 * @throws {UsageError} if the query does not say enough */
export function explain(snapshot: Snapshot, query: URLSearchParams): Record<string, unknown> {
  const method = (query.get("method") ?? "GET").toUpperCase();
  const target = query.get("url");
  if (target === null) throw new UsageError("explain needs url: a path, or a URL with a host");
  if (!methodForm.test(method)) throw new UsageError(`method: "${method}" is none`);
  const client = clientOf(query.get("client") ?? "127.0.0.1");
  const headers = headersOf(query);
  const read = readHead({ method, target, version: "1.1", headers }, snapshot.config.limits);
  if (!read.ok) {
    const { status, reason, message } = read.refusal;
    return { method, url: target, client, reason, status, message, routes: [] };
  }
  return { method, url: target, client, ...decide(snapshot, read.head, client) };
}

function decide(snapshot: Snapshot, head: RequestHead, client: string): Record<string, unknown> {
  const routes = explainRoutes(snapshot.table, head);
  const seen = { path: head.path, host: head.host, routes };
  const matched = routes.find((route) => route.matched);
  const pool = matched && snapshot.pools.get(matched.pool)?.pool;
  if (!pool) return { ...seen, reason: "NO_ROUTE", status: 404, pool: null, choice: null };
  const choice = pool.choose({ hash: hash32(client), tried: [], peek: true });
  const status = choice.endpoint ? null : 503;
  return { ...seen, reason: choice.reason, status, pool: pool.name, choice: pool.describe(choice, []) };
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
