import { baredPath } from "./path.ts";
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

/** Which key of its match a route failed. */
export type Mismatch = "host" | "path" | "pathRegex" | "methods" | "headers" | "cookies" | "query";

/** A route that was looked at. */
export interface TriedRoute {
  readonly index: number;
  readonly pool: string;
  readonly matched: boolean;
  /** For people; "" where it matched. */
  readonly why: string;
}

/** The first route that matches. */
export function matchRoute(table: RouteTable, request: Routable): CompiledRoute | undefined {
  const bared = baredPath(request.path);
  return table.find((route) => mismatch(route, request, bared) === undefined);
}

/** Every route up to the one that matches, and why the ones before it did not. */
export function explainRoutes(table: RouteTable, request: Routable): TriedRoute[] {
  const tried: TriedRoute[] = [];
  const bared = baredPath(request.path);
  for (const route of table) {
    const failed = mismatch(route, request, bared);
    const why = failed ? describeMismatch(failed, route, request) : "";
    tried.push({ index: route.index, pool: route.pool, matched: !failed, why });
    if (!failed) break;
  }
  return tried;
}

function mismatch(route: CompiledRoute, request: Routable, bared: string): Mismatch | undefined {
  if (route.path && !pathMatches(route.path, request.path) && !pathMatches(route.path, bared)) return "path";
  if (route.host && !hostMatches(route.host, request.host)) return "host";
  if (route.methods && !route.methods.has(request.method)) return "methods";
  if (route.pathRegex && !route.pathRegex.test(request.path)) return "pathRegex";
  if (!route.headers.every(({ name, value }) => headerHas(request.headerValues(name), value))) return "headers";
  if (!route.cookies.every(({ name, value }) => cookieHas(request.headerValues("cookie"), name, value)))
    return "cookies";
  if (route.query.length > 0) {
    const query = new URLSearchParams(request.query);
    if (!route.query.every(({ name, value }) => query.getAll(name).includes(value))) return "query";
  }
  return undefined;
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

function describeMismatch(failed: Mismatch, route: CompiledRoute, request: Routable): string {
  const { match } = route;
  switch (failed) {
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
