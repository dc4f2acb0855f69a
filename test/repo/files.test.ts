import { posix } from "node:path";
import { describe, expect, it } from "vitest";
import { exists, files, modules, nameOf, parseModule, read } from "./tree.ts";
import type { Module, SyntaxNode } from "./tree.ts";

const linesMax = 320; // what one can hold in mind; beyond that a file has two subjects

const codeFiles = files.filter((path) => /\.(ts|js|mjs|py|sh)$/.test(path));
const documents = files.filter((path) => path === "README.md" || /^docs\/.*\.md$/.test(path));

/** Where a module has nodes of a kind that it must not have. */
function find(module: Module, what: (node: SyntaxNode) => boolean): string[] {
  return module.nodes.filter(what).map((node) => `${module.path}:${module.lineOf(node)}`);
}

const notErasable = ({ type, ...node }: SyntaxNode) =>
  type === "TSEnumDeclaration" ||
  (type === "TSModuleDeclaration" && node["declare"] !== true) ||
  type === "TSParameterProperty" ||
  type === "TSImportEqualsDeclaration";

/** `it.only`, `describe.skip`, `test.todo`, also `it.concurrent.only`. `skipIf` tells its reason and may stay. */
function keepsTestsFromRunning(node: SyntaxNode): boolean {
  if (node.type !== "MemberExpression" || !["only", "skip", "todo"].includes(nameOf(node["property"]))) return false;
  let object = node["object"] as SyntaxNode;
  while (object.type === "MemberExpression") object = object["object"] as SyntaxNode;
  return ["describe", "it", "test", "suite"].includes(nameOf(object));
}

/** Targets of relative links, without code blocks and anchors. */
function relativeLinks(document: string): string[] {
  const prose = document.replaceAll(/^```.*?^```/gms, "").replaceAll(/`[^`\n]*`/g, "");
  return Array.from(prose.matchAll(/\]\(([^)\s]+)[^)]*\)/g), ([, link = ""]) => link.replace(/#.*/, "")).filter(
    (link) => link !== "" && !/^[a-z]+:/.test(link),
  );
}

describe("source files", () => {
  it(`have no more than ${linesMax} lines`, () => {
    const long = codeFiles.map((path) => ({ path, lines: read(path).split("\n").length - 1 }));
    expect(long.filter(({ lines }) => lines > linesMax)).toEqual([]);
  });

  it("keep no test from running", () => {
    const sample =
      "it.only('a', f); describe.concurrent.skip('b', f); test.todo('c'); it.skipIf(x)('d', f); list.skip();";
    expect(find(parseModule("x.ts", sample), keepsTestsFromRunning)).toHaveLength(3);
    expect(modules.flatMap((module) => find(module, keepsTestsFromRunning))).toEqual([]);
  });

  it("leave nothing to be done later", () => {
    const words = ["TO-DO", "FIX-ME"].map((word) => word.replace("-", "")); // so that this file is not found itself
    const later = new RegExp(`\\b(${words.join("|")})\\b`);
    for (const word of words) expect(`// ${word}: mend`).toMatch(later);
    const text = files.filter(
      (path) => /\.(ts|js|mjs|py|sh|md|ya?ml|json)$/.test(path) && path !== "package-lock.json",
    );
    expect(text.filter((path) => later.test(read(path)))).toEqual([]);
  });

  it("are erasable TypeScript", () => {
    const sample = "enum A { B } namespace C { export const d = 1; } class E { constructor(readonly f: number) {} }";
    expect(find(parseModule("x.ts", sample), notErasable)).toHaveLength(3);
    expect(modules.flatMap((module) => find(module, notErasable))).toEqual([]);
  });

  it("name the whole file in every import of the repository", () => {
    const short = modules.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target !== undefined && !/\.(ts|json)$/.test(target))
        .map(({ line, specifier }) => `${path}:${line} ${specifier}`),
    );
    expect(short).toEqual([]);
  });
});

describe("documents", () => {
  it("link to files that exist", () => {
    expect(relativeLinks("[a](b.md#c) [d](#e) [f](https://g) `[h](i)`\n```\n[j](k)\n```\n")).toEqual(["b.md"]);
    const dead = documents.flatMap((path) =>
      relativeLinks(read(path))
        .filter((link) => !exists(posix.join(posix.dirname(path), link)))
        .map((link) => `${path}: ${link}`),
    );
    expect(dead).toEqual([]);
  });

  it.each(["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"])("include %s", (path) => {
    expect(files).toContain(path);
  });
});
