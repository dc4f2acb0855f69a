import type { CompiledRoute } from "./compile.ts";

type Routes = readonly CompiledRoute[];

/** Routes of one host pattern by their path; each list in the order of the config. */
class ByPath {
  readonly #exact = new Map<string, CompiledRoute[]>();
  readonly #prefixes = new Map<string, CompiledRoute[]>();
  /** Any path, or by expression: these are asked one after the other. */
  readonly #others: CompiledRoute[] = [];
  #deepest = -1;

  add(route: CompiledRoute): void {
    const { path } = route;
    if (!path) return void this.#others.push(route);
    if ("exact" in path) return append(this.#exact, path.exact, route);
    append(this.#prefixes, path.prefix, route);
    this.#deepest = Math.max(this.#deepest, path.prefix.split("/").length - 1);
  }

  collect(path: string, into: Routes[]): void {
    push(this.#exact.get(path), into);
    // "" first, then "/a" of "/a/b", then "/a/b": no deeper than the deepest prefix there is.
    for (let end = 0, depth = 0; depth <= this.#deepest && end <= path.length; depth++) {
      push(this.#prefixes.get(path.slice(0, end)), into);
      if (end === path.length) break;
      const next = path.indexOf("/", end + 1);
      end = next < 0 ? path.length : next;
    }
  }

  collectOthers(into: Routes[]): void {
    if (this.#others.length > 0) into.push(this.#others);
  }
}

/** Finds the few routes that a request may match, without asking the others. */
export interface RouteIndex {
  /** Lists of routes, each in the order of the config. Every route that matches is in one of them.
   * @param bared the path without what hides it, where that differs */
  candidates(host: string, path: string, bared: string): Routes[];
}

/** Sorts routes by host and path: the cost of a look-up grows with the labels of the host and the segments of the path
 * that routes ask for, not with the number of routes. */
export function indexRoutes(routes: Routes): RouteIndex {
  const byHost = new Map<string, ByPath>();
  let hasSuffixes = false;
  for (const route of routes) {
    const { host } = route;
    const key = !host ? "" : "exact" in host ? host.exact : host.suffix;
    if (host && "suffix" in host) hasSuffixes = true;
    let byPath = byHost.get(key);
    if (!byPath) byHost.set(key, (byPath = new ByPath()));
    byPath.add(route);
  }
  return {
    candidates(host, path, bared) {
      const found: Routes[] = [];
      const visit = (key: string): void => {
        const byPath = byHost.get(key);
        if (!byPath) return;
        byPath.collect(path, found);
        if (bared !== path) byPath.collect(bared, found);
        byPath.collectOthers(found);
      };
      visit("");
      if (host !== "") visit(host);
      if (hasSuffixes)
        for (let dot = host.indexOf(".", 1); dot > 0; dot = host.indexOf(".", dot + 1)) visit(host.slice(dot));
      return found;
    },
  };
}

function append(map: Map<string, CompiledRoute[]>, key: string, route: CompiledRoute): void {
  const list = map.get(key);
  if (list) list.push(route);
  else map.set(key, [route]);
}

function push(list: Routes | undefined, into: Routes[]): void {
  if (list) into.push(list);
}
