import type { CompiledRoute } from "./compile.ts";
import type { Routable } from "./match.ts";
import { baredPath, normalisePath } from "./path.ts";
import type { NormalisedPath } from "./path.ts";

/** Fills in what a template names: {path}, {query}, {host}, {rest} behind a prefix, and the groups of pathRegex. What is
 * not there is empty. */
export function fill(template: string, route: CompiledRoute, request: Routable): string {
  let groups: RegExpExecArray | null | undefined;
  return template.replace(/\{(path|rest|query|host|[1-9])\}/g, (_whole, name: string) => {
    if (name === "path") return request.path;
    if (name === "query") return request.query;
    if (name === "host") return request.host;
    if (name === "rest") return restOf(route, request.path);
    groups ??= route.pathRegex?.exec(request.path); // it has matched before, so its length is bounded
    return groups?.[Number(name)] ?? "";
  });
}

/** What stands behind the prefix of the route, "/" and all. */
function restOf({ path: pattern }: CompiledRoute, path: string): string {
  if (!pattern || !("prefix" in pattern)) return "";
  const { prefix } = pattern;
  const isPlain = path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
  return (isPlain ? path : baredPath(path)).slice(prefix.length);
}

/** The path that a server gets, in the same one form as any: a template may have put dots and slashes together. */
export function rewritePath(template: string, route: CompiledRoute, request: Routable): NormalisedPath {
  const filled = fill(template, route, request);
  if (!filled.startsWith("/")) return { ok: false, why: "a rewritten path that does not begin with /" };
  if (filled.includes("?") || filled.includes("#")) return { ok: false, why: "a rewritten path with a query" };
  return normalisePath(filled);
}

/** The Location of a redirect. A path that begins with "//" would name another host. */
export function locationOf(template: string, route: CompiledRoute, request: Routable): string {
  const filled = fill(template, route, request);
  return template.startsWith("//") ? filled : filled.replace(/^\/{2,}/, "/");
}
