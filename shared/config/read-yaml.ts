import { LineCounter, isAlias, isMap, isScalar, isSeq, parseDocument, visit } from "yaml";
import type { Document, Node, Pair, YAMLError } from "yaml";
import { messageOf } from "#shared/core/error.ts";
import { ConfigError, expectation } from "./error.ts";
import type { Problem } from "./error.ts";

/** Lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlFile {
  readonly value: unknown;
  /** Where the value at a path stands, or the key before it; the innermost mapping there is if the path leads nowhere. */
  readonly positionOf: (path: readonly PropertyKey[], what: "value" | "key") => Position;
}

const aliasesMax = 100; // a file made by hand has a few; an alias bomb has thousands

/** One YAML document as a plain value that knows where each part of it stood.
 * @throws {ConfigError} for anything that is not one YAML 1.2 document of plain keys */
export function readYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const fail = (offset: number, message: string): Problem => ({
    file,
    ...positionAt(lines, offset),
    path: "",
    message,
  });
  const document = parse(text, file, lines);
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) {
    throw new ConfigError([fail(0, expectation({ expected: "a mapping", got: "an empty file" }))]);
  }
  const strange = strangeParts(document).map(([offset, message]) => fail(offset, message));
  if (strange.length > 0) throw new ConfigError(strange);
  return { value: toValue(document, file), positionOf: (path, what) => find(document, lines, path, what) };
}

function parse(text: string, file: string, lines: LineCounter): Document {
  try {
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, version: "1.2" });
    const wrong: readonly YAMLError[] = [...document.errors, ...document.warnings];
    if (wrong.length === 0) return document;
    // One error for each level that the parser had to give up.
    if (wrong.some(({ message }) => message.includes("call stack"))) throw new RangeError("too deep");
    throw new ConfigError(
      wrong.map((error) => ({ file, ...positionAt(lines, error.pos[0]), path: "", message: wordingOf(error, text) })),
    );
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([{ file, line: 1, column: 1, path: "", message: whyUnreadable(error) }]);
  }
}

function wordingOf(error: YAMLError, text: string): string {
  switch (error.code) {
    case "DUPLICATE_KEY": {
      const key = /^("[^"]*"|'[^']*'|[^\s:,}\]]+)/.exec(text.slice(error.pos[0], error.pos[0] + 100))?.[0];
      return `the key ${key ?? ""} is given twice`;
    }
    case "TAB_AS_INDENT":
      return "a tab indents this line (use spaces)";
    case "MULTIPLE_DOCS":
      return "expected one document, got a second one here (remove the ---)";
    default:
      return `this is not YAML: ${error.message.charAt(0).toLowerCase()}${error.message.slice(1)}`;
  }
}

/** What YAML allows and no config needs: keys that are no words, or make trouble as keys of a JavaScript object; aliases of nothing. */
function strangeParts(document: Document): [offset: number, message: string][] {
  const found: [number, string][] = [];
  const { explicit, version } = document.directives?.yaml ?? {};
  if (explicit && version !== "1.2") found.push([0, `expected YAML 1.2, got a %YAML ${version} directive`]);
  visit(document, {
    Pair(_, pair: Pair) {
      const key = pair.key as Node | null;
      const offset = key?.range?.[0] ?? 0;
      if (!isScalar(key) || key.value === null) found.push([offset, "expected a word as key"]);
      else if (key.value === "__proto__") found.push([offset, 'unknown key "__proto__"']);
    },
    Alias(_, alias) {
      if (alias.resolve(document)) return;
      found.push([alias.range?.[0] ?? 0, `nothing before this is called &${alias.source}`]);
    },
  });
  return found;
}

function toValue(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: aliasesMax });
  } catch (error) {
    throw new ConfigError([{ file, line: 1, column: 1, path: "", message: whyUnreadable(error) }]);
  }
}

function whyUnreadable(error: unknown): string {
  if (error instanceof RangeError) return "nested too deeply";
  if (error instanceof ReferenceError) return "its aliases (*name) stand for too much";
  return `this is not YAML: ${messageOf(error)}`;
}

function find(document: Document, lines: LineCounter, path: readonly PropertyKey[], what: "value" | "key"): Position {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [i, segment] of path.entries()) {
    const container: Node | null | undefined = isAlias(node) ? node.resolve(document) : node;
    if (isSeq(container) && typeof segment === "number") {
      node = (container.items[segment] ?? null) as Node | null;
      offset = node?.range?.[0] ?? offset;
    } else if (isMap(container)) {
      const pair = container.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (!pair) return positionAt(lines, container.range?.[0] ?? offset);
      const key = pair.key as Node;
      node = pair.value as Node | null;
      const wantsKey = (what === "key" && i === path.length - 1) || isEmpty(node);
      offset = (wantsKey ? key : node)?.range?.[0] ?? offset;
    } else break;
  }
  return positionAt(lines, offset);
}

/** Nothing follows the colon. */
function isEmpty(node: Node | null): boolean {
  return node === null || (isScalar(node) && node.value === null && node.source === "");
}

function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}
