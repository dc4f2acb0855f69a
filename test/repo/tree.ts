import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { parseSync } from "vite";
import packageJson from "../../package.json" with { type: "json" };

/** A node of the syntax tree (ESTree, with TypeScript's nodes). */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

export interface Import {
  readonly specifier: string;
  /** Path inside the repository; undefined for packages and `node:`. */
  readonly target: string | undefined;
  /** Erased before the module runs. */
  readonly typeOnly: boolean;
  readonly names: readonly string[];
  readonly line: number;
}

/** One TypeScript file, parsed. */
export interface Module {
  readonly path: string;
  readonly isTest: boolean;
  readonly imports: readonly Import[];
  /** Every node, parents before their children. */
  readonly nodes: readonly SyntaxNode[];
  /** Parent of each node. */
  readonly parents: ReadonlyMap<SyntaxNode, SyntaxNode>;
  readonly lineOf: (node: SyntaxNode) => number;
}

const root = new URL("../../", import.meta.url);

/** Every file of the repository, new ones too, but no ignored one. Paths from its root. */
export const files: readonly string[] = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
  cwd: root,
  encoding: "utf8",
})
  .split("\n")
  .filter((path) => path !== "" && exists(path))
  .toSorted();

export function exists(path: string): boolean {
  return existsSync(new URL(path, root));
}

export function read(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}

/** @throws {Error} if the text is not TypeScript */
export function parseModule(path: string, text: string): Module {
  const { program, errors } = parseSync(path, text);
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`);
  const parents = new Map<SyntaxNode, SyntaxNode>();
  const nodes: SyntaxNode[] = [];
  collect(program as unknown as SyntaxNode, nodes, parents);
  const lineOf = (node: SyntaxNode) => text.slice(0, node.start).split("\n").length;
  const imports = nodes.flatMap((node) => importOf(path, node, lineOf) ?? []);
  return { path, isTest: path.endsWith(".test.ts") || path.startsWith("test/"), imports, nodes, parents, lineOf };
}

/** Every TypeScript file of the repository. */
export const modules: readonly Module[] = files
  .filter((path) => path.endsWith(".ts"))
  .map((path) => parseModule(path, read(path)));

function collect(node: SyntaxNode, nodes: SyntaxNode[], parents: Map<SyntaxNode, SyntaxNode>): void {
  nodes.push(node);
  for (const child of Object.values(node).flat()) {
    if (!isNode(child)) continue;
    parents.set(child, node);
    collect(child, nodes, parents);
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

function importOf(path: string, node: SyntaxNode, lineOf: (node: SyntaxNode) => number): Import | undefined {
  const { source } = node;
  if (!isNode(source) || typeof source["value"] !== "string") return undefined;
  const specifier = source["value"];
  const typeOnly = node["importKind"] === "type" || node["exportKind"] === "type" || node.type === "TSImportType";
  const specifiers = Array.isArray(node["specifiers"]) ? node["specifiers"].filter(isNode) : [];
  const names = specifiers.map((one) => nameOf(one["imported"] ?? one["local"]));
  return { specifier, target: targetOf(path, specifier), typeOnly, names, line: lineOf(node) };
}

/** Name of an identifier, value of a string; else "". */
export function nameOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (typeof node["name"] === "string") return node["name"];
  return typeof node["value"] === "string" ? node["value"] : "";
}

function targetOf(path: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return posix.join(posix.dirname(path), specifier);
  for (const [pattern, to] of Object.entries(packageJson.imports)) {
    const prefix = pattern.slice(0, -1);
    if (specifier.startsWith(prefix)) return posix.join(to.slice(0, -1), specifier.slice(prefix.length));
  }
  return undefined;
}
