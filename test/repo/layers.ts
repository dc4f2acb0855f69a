import { nameOf } from "./tree.ts";
import type { Import, Module, SyntaxNode } from "./tree.ts";

/** Each folder of shared/ imports only those above it. */
const sharedOrder = [
  "core",
  "observe",
  "balance",
  "geo",
  "net",
  "proxy-protocol",
  "health",
  "endpoint",
  "config",
  "topology",
  "traffic",
  "server",
];

/** Folders and files without node:*, clock or randomness: all are passed in. */
export const pure = [
  "shared/balance/",
  "shared/topology/",
  "shared/health/state.ts",
  "shared/traffic/histogram.ts",
  "shared/traffic/plan.ts",
  "shared/traffic/tally.ts",
  "services/geodns/compiled/",
  "services/geodns/decide.ts",
  "services/geodns/dnssec/canonical.ts",
  "services/geodns/dnssec/denial.ts",
  "services/geodns/geo-tree/build.ts",
  "services/geodns/geo-tree/compile.ts",
  "services/geodns/geo-tree/tree.ts",
  "services/geodns/wire/",
  "services/geodns/zone/",
  "services/geodns/steer/",
  "services/geodns/rrl.ts",
  "services/l7-router/route/",
  "services/l4-forwarder/kernel/plan/",
];

/** What a pure module may run of the repository, beside other pure ones. */
const openToPure = ["shared/core/", "shared/config/"];
export const impureGlobals = new Set([
  "Date",
  "performance",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "crypto",
  "process",
  "fetch",
  "globalThis",
]);
const impureNames = new Set(["systemClock", "systemRandom"]);

interface Violation {
  readonly line: number;
  readonly what: string;
}

const serviceOf = (path: string) => /^services\/([^/]+)\//.exec(path)?.[1];
const sharedFolderOf = (path: string) => /^shared\/([^/]+)\//.exec(path)?.[1];
const isIn = (path: string, places: readonly string[]) => places.some((place) => path.startsWith(place));
const isPure = (path: string) => isIn(path, pure);
const importsOf = (module: Module, what: (one: Import, target: string) => string | undefined): Violation[] =>
  module.imports.flatMap((one) => {
    const found = what(one, one.target ?? "");
    return found === undefined ? [] : [{ line: one.line, what: found }];
  });

/** Every rule of the layers: of one module, what breaks it. */
export const layerRules: Readonly<Record<string, (module: Module) => Violation[]>> = {
  "services never import each other": (module) =>
    importsOf(module, (one, target) => {
      const [from, to] = [serviceOf(module.path), serviceOf(target)];
      return from !== undefined && to !== undefined && from !== to ? `imports ${one.specifier}` : undefined;
    }),

  "a folder of shared/ imports only those above it, and types of shared/config/schema": (module) =>
    importsOf(module, (one, target) => {
      const from = sharedFolderOf(module.path);
      if (from === undefined || module.isTest || one.target === undefined) return undefined;
      if (one.typeOnly && target.startsWith("shared/config/schema/")) return undefined;
      if (target === "package.json") return undefined; // the version
      const to = sharedFolderOf(target);
      const isAbove = to !== undefined && sharedOrder.indexOf(to) <= sharedOrder.indexOf(from);
      return isAbove ? undefined : `imports ${one.specifier}`;
    }),

  "every folder of shared/ has its place in the list": ({ path }) => {
    const folder = sharedFolderOf(path);
    return folder === undefined || sharedOrder.includes(folder) ? [] : [{ line: 1, what: `folder ${folder}` }];
  },

  "pure folders import no node:*, no clock and no chance": (module) =>
    importsOf(module, (one, target) => {
      if (!isPure(module.path) || module.isTest || one.typeOnly) return undefined;
      const reaches = one.target !== undefined && !isPure(target) && !isIn(target, openToPure);
      const impure = one.specifier.startsWith("node:") || one.names.some((name) => impureNames.has(name));
      return reaches || impure ? `imports ${one.specifier}` : undefined;
    }),

  "pure folders use no clock, timer, chance or environment": (module) => {
    if (!isPure(module.path) || module.isTest) return [];
    return module.nodes.flatMap((node) => {
      const what = impurityOf(module, node);
      return what === undefined ? [] : [{ line: module.lineOf(node), what: `uses ${what}` }];
    });
  },

  "nothing but tests imports test/": (module) =>
    importsOf(module, (one, target) =>
      !module.isTest && target.startsWith("test/") ? `imports ${one.specifier}` : undefined,
    ),

  "the CLI imports no service": (module) =>
    importsOf(module, (one, target) =>
      module.path.startsWith("infra/cli/") && serviceOf(target) !== undefined ? `imports ${one.specifier}` : undefined,
    ),
};

function impurityOf(module: Module, node: SyntaxNode): string | undefined {
  const parent = module.parents.get(node);
  if (node.type === "MemberExpression" && nameOf(node["object"]) === "Math" && nameOf(node["property"]) === "random")
    return "Math.random";
  if (node.type !== "Identifier" || !impureGlobals.has(nameOf(node))) return undefined;
  const isMember = parent?.type === "MemberExpression" && parent["property"] === node && parent["computed"] !== true;
  const isKey = parent?.["key"] === node && parent["shorthand"] !== true;
  return isMember || isKey ? undefined : nameOf(node);
}
