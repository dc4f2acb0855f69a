import { cidrContains } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { bodyFailure, bodyWanted, noBody } from "./body.ts";
import type { RequestBody } from "./body.ts";
import { baredPath } from "./path.ts";
import { poolsOf } from "#shared/config/schema/route-actions.ts";
import type { CompiledRoute, RouteTable } from "./compile.ts";

/** What routes may know of a request. */
export interface Routable {
  readonly method: string;
  /** Lower case, without port and trailing dot; "" where there is none. */
  readonly host: string;
  /** Normalised. */
  readonly path: string;
  /** Without "?"; "" where there is none. */
  readonly query: string;
  /** Every value of a header; `name` in lower case. */
  headerValues(name: string): readonly string[];
}

/** What routes may know of who asks. */
export interface Visitor {
  /** Undefined where the address is none, as behind a Unix socket. */
  readonly bytes: AddressBytes | undefined;
  /** ISO 3166 alpha-2; null where nobody knows. */
  readonly country: string | null;
}

/** Which key of its match a route failed. */
export type Mismatch =
  | "host"
  | "path"
  | "pathRegex"
  | "methods"
  | "headers"
  | "cookies"
  | "query"
  | "clients"
  | "countries"
  | "body";

/** The time of an expression with three open repetitions grows by the third power of what it is matched against. */
export const pathRegexCharactersMax = 512;

/** A route asks an expression of a path that is longer than any expression is asked of. */
export const pathTooLong = "path too long";

/** A route that was looked at. */
export interface TriedRoute {
  readonly index: number;
  readonly name: string | null;
  /** The pools that it leads to; none where the router answers itself. */
  readonly pools: readonly string[];
  readonly matched: boolean;
  /** The path is too long for its expression: refused with 414. */
  readonly tooLong: boolean;
  /** For people; "" where it matched. */
  readonly why: string;
}

/** Instead of a route: what cannot be told. */
export type Undecided = typeof pathTooLong | typeof bodyWanted;

const plainScanMax = 16; // so few are asked faster than they are looked up

/** The first route that matches.
 * @returns `pathTooLong` if that cannot be told: the request must be refused, for a later route may allow more; `bodyWanted`
 * if everything else of a route holds and its body is unread: ask again with the body */
export function matchRoute(
  { routes, index }: RouteTable,
  request: Routable,
  visitor: Visitor,
  body: RequestBody = noBody,
): CompiledRoute | Undecided | undefined {
  const asked: Asked = { request, visitor, body, bared: baredPath(request.path) };
  if (routes.length <= plainScanMax) return firstOf(routes, asked);
  const lists = index.candidates(request.host, request.path, asked.bared);
  return firstOf(lists.length === 1 ? (lists[0] ?? []) : inOrder(lists), asked);
}

/** All that a route may ask of. */
interface Asked {
  readonly request: Routable;
  readonly visitor: Visitor;
  readonly body: RequestBody;
  /** The path without what hides it. */
  readonly bared: string;
}

function firstOf(routes: Iterable<CompiledRoute>, asked: Asked): CompiledRoute | Undecided | undefined {
  for (const route of routes) {
    const failed = mismatch(route, asked);
    if (failed === undefined) return route;
    if (failed === pathTooLong || failed === bodyWanted) return failed;
  }
  return undefined;
}

/** Merges lists by the number of their routes, no further than it is asked to. */
function* inOrder(lists: readonly (readonly CompiledRoute[])[]): Iterable<CompiledRoute> {
  const nexts = lists.map(() => 0);
  for (;;) {
    let first = -1;
    let route: CompiledRoute | undefined;
    for (const [i, list] of lists.entries()) {
      const next = list[nexts[i] ?? 0];
      if (!next || (route && route.index < next.index)) continue;
      route = next;
      first = i;
    }
    if (!route) return;
    nexts[first] = (nexts[first] ?? 0) + 1;
    yield route;
  }
}

/** Every route up to the one that matches, and why the ones before it did not. */
export function explainRoutes(
  { routes }: RouteTable,
  request: Routable,
  visitor: Visitor,
  body: RequestBody = noBody,
): TriedRoute[] {
  const tried: TriedRoute[] = [];
  const asked: Asked = { request, visitor, body, bared: baredPath(request.path) };
  for (const route of routes) {
    const failed = mismatch(route, asked);
    const why = failed ? describeMismatch(failed, route, asked) : "";
    const { config, index } = route;
    const pools = poolsOf(config).map(({ pool }) => pool);
    tried.push({ index, name: config.name ?? null, pools, matched: !failed, tooLong: failed === pathTooLong, why });
    if (!failed || failed === pathTooLong) break;
  }
  return tried;
}

function mismatch(route: CompiledRoute, asked: Asked): Mismatch | Undecided | undefined {
  const { request, bared, visitor } = asked;
  if (route.path && !pathMatches(route.path, request.path) && !pathMatches(route.path, bared)) return "path";
  if (route.host && !hostMatches(route.host, request.host)) return "host";
  if (route.methods && !route.methods.has(request.method)) return "methods";
  if (!route.headers.every(({ name, value }) => headerHas(request.headerValues(name), value))) return "headers";
  if (!route.cookies.every(({ name, value }) => cookieHas(request.headerValues("cookie"), name, value)))
    return "cookies";
  if (route.query.length > 0) {
    const query = new URLSearchParams(request.query);
    if (!route.query.every(({ name, value }) => query.getAll(name).includes(value))) return "query";
  }
  const { bytes } = visitor;
  if (route.clients && !(bytes && route.clients.some((network) => cidrContains(network, bytes)))) return "clients";
  if (route.countries && !route.countries.has(visitor.country ?? "")) return "countries";
  if (route.pathRegex) {
    if (request.path.length > pathRegexCharactersMax) return pathTooLong;
    if (!route.pathRegex.test(request.path)) return "pathRegex";
  }
  // Last: nobody's body is read for a route that would not match anyway.
  if (!route.body) return undefined;
  const failed = bodyFailure(route.body, request, asked.body);
  return failed === undefined || failed === bodyWanted ? failed : "body";
}

function hostMatches(pattern: NonNullable<CompiledRoute["host"]>, host: string): boolean {
  if ("exact" in pattern) return host === pattern.exact;
  return host.length > pattern.suffix.length && host.endsWith(pattern.suffix);
}

function pathMatches(pattern: NonNullable<CompiledRoute["path"]>, path: string): boolean {
  if ("exact" in pattern) return path === pattern.exact;
  const { prefix } = pattern;
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}

function headerHas(values: readonly string[], wanted: string): boolean {
  return values.includes(wanted) || (values.length > 1 && values.join(", ") === wanted);
}

/** @see RFC 6265 §4.2.1 */
function cookieHas(lines: readonly string[], name: string, wanted: string): boolean {
  for (const line of lines)
    for (const part of line.split(";")) {
      const equals = part.indexOf("=");
      if (equals < 0 || part.slice(0, equals).trim() !== name) continue;
      const value = part.slice(equals + 1).trim();
      if (value === wanted || value === `"${wanted}"`) return true;
    }
  return false;
}

function describeMismatch(
  failed: Mismatch | Undecided,
  route: CompiledRoute,
  { request, visitor, body }: Asked,
): string {
  const { match } = route;
  switch (failed) {
    case "body":
      return route.body ? String(bodyFailure(route.body, request, body) ?? "") : "";
    case bodyWanted:
      return "body has not been read";
    case pathTooLong:
      return `path has over ${pathRegexCharactersMax} characters, and pathRegex is asked of no more`;
    case "clients":
      return `client is in none of ${match.clients?.join(", ")}`;
    case "countries":
      return `country is ${visitor.country ?? "unknown"}, wanted ${match.countries?.join(" or ")}`;
    case "host":
      return `host is "${request.host}", wanted "${match.host}"`;
    case "path":
      return `path is "${request.path}", wanted "${match.path}"`;
    case "pathRegex":
      return `path is "${request.path}", wanted /${match.pathRegex}/`;
    case "methods":
      return `method is ${request.method}, wanted ${match.methods?.join(" or ")}`;
    case "headers":
      return `headers: wanted ${wantedPairs(match.headers)}`;
    case "cookies":
      return `cookies: wanted ${wantedPairs(match.cookies)}`;
    case "query":
      return `query is "${request.query}", wanted ${wantedPairs(match.query)}`;
  }
}

function wantedPairs(record: Readonly<Record<string, string>> | undefined): string {
  return Object.entries(record ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}
