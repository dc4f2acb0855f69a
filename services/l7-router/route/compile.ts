import type { MatchConfig, RouteConfig } from "#shared/config/schema/l7-router.ts";
import type { Cidr } from "#shared/core/cidr.ts";
import { parseCidr } from "#shared/core/cidr.ts";
import { compileBody } from "./body.ts";
import type { BodyCondition } from "./body.ts";
import { indexRoutes } from "./route-index.ts";
import type { RouteIndex } from "./route-index.ts";

/** One condition of a route, ready to be asked. */
interface Pair {
  readonly name: string;
  readonly value: string;
}

/** A route whose texts are already in the form in which requests are compared. */
export interface CompiledRoute {
  /** 0-based, as in the config. */
  readonly index: number;
  readonly config: RouteConfig;
  readonly match: MatchConfig;
  readonly host: { readonly exact: string } | { readonly suffix: string } | undefined;
  readonly path: { readonly exact: string } | { readonly prefix: string } | undefined;
  readonly pathRegex: RegExp | undefined;
  readonly methods: ReadonlySet<string> | undefined;
  readonly headers: readonly Pair[];
  readonly cookies: readonly Pair[];
  readonly query: readonly Pair[];
  readonly clients: readonly Cidr[] | undefined;
  readonly countries: ReadonlySet<string> | undefined;
  readonly body: BodyCondition | undefined;
}

/** The routes of a config in their order: the first that matches wins. */
export interface RouteTable {
  readonly routes: readonly CompiledRoute[];
  readonly index: RouteIndex;
}

export function compileRoutes(configs: readonly RouteConfig[]): RouteTable {
  const routes = configs.map(compileRoute);
  return { routes, index: indexRoutes(routes) };
}

function compileRoute(config: RouteConfig, index: number): CompiledRoute {
  const { match } = config;
  return {
    index,
    config,
    match,
    host: match.host === undefined ? undefined : compileHost(match.host),
    path: match.path === undefined ? undefined : compilePath(match.path),
    pathRegex: match.pathRegex === undefined ? undefined : new RegExp(`^(?:${match.pathRegex})$`, "u"),
    methods: match.methods && new Set(match.methods),
    headers: pairsOf(match.headers, true),
    cookies: pairsOf(match.cookies, false),
    query: pairsOf(match.query, false),
    clients: match.clients?.map(parseCidr).filter((network) => network !== undefined),
    countries: match.countries && new Set(match.countries),
    body: match.body && compileBody(match.body),
  };
}

function compileHost(pattern: string): CompiledRoute["host"] {
  const text = pattern.toLowerCase().replace(/:\d+$/, "").replace(/\.$/, "");
  return text.startsWith("*.") ? { suffix: text.slice(1) } : { exact: text };
}

function compilePath(pattern: string): CompiledRoute["path"] {
  return pattern.endsWith("/*") ? { prefix: pattern.slice(0, -2) } : { exact: pattern };
}

function pairsOf(record: Readonly<Record<string, string>> | undefined, lowerCase: boolean): Pair[] {
  return Object.entries(record ?? {}).map(([name, value]) => ({ name: lowerCase ? name.toLowerCase() : name, value }));
}
