import { z } from "zod";
import {
  checksOf,
  choicesOf,
  coreOf,
  describeCheck,
  describeSchema,
  keysOf,
  layersOf,
  messageOfCheck,
  schemaAt,
} from "./describe.ts";
import type { Schema } from "./describe.ts";
import { expectation, formatPath } from "./error.ts";
import type { Problem } from "./error.ts";
import { nearestOf, suggest } from "./nearest.ts";
import type { Position } from "./read-yaml.ts";

type Issue = z.core.$ZodIssue;
type PositionOf = (path: readonly PropertyKey[], what: "value" | "key") => Position;

/** Something wrong at a path, before it is known where that stands in the file. */
interface Finding {
  /** Where it stands; `of` says whether at the value or at the key before it. */
  readonly at: readonly PropertyKey[];
  readonly of: "value" | "key";
  /** Shown. */
  readonly path: readonly PropertyKey[];
  readonly expected?: string;
  readonly got?: string;
  readonly hint?: string | undefined;
  readonly message?: string;
}

/** What zod found, in words for whoever wrote the file, in the order of the file. */
export function problemsOf(
  schema: Schema,
  value: unknown,
  issues: readonly Issue[],
  file: string,
  positionOf?: PositionOf,
): Problem[] {
  const findings = issues.flatMap((issue) => findingsOf(schema, value, issue));
  const problems = onceAPlace(findings).map((finding) => toProblem(finding, file, positionOf));
  return problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

/** One mistake is told once: what later checks make of the same value follows from it. */
function onceAPlace(findings: readonly Finding[]): Finding[] {
  const told = new Set<string>();
  return findings.filter(({ of, path }) => {
    const place = formatPath(path);
    return of === "key" || told.size < told.add(place).size;
  });
}

function toProblem({ at, of, path, message, ...parts }: Finding, file: string, positionOf?: PositionOf): Problem {
  const { expected = "", got = "", hint } = parts;
  const place = { file, ...positionOf?.(at, of), path: formatPath(path) };
  if (message !== undefined) return { ...place, message };
  return {
    ...place,
    expected,
    got,
    ...(hint !== undefined && { hint }),
    message: expectation({ expected, got, hint }),
  };
}

function findingsOf(root: Schema, value: unknown, issue: Issue): Finding[] {
  const { path } = issue;
  const schema = schemaAt(root, path);
  switch (issue.code) {
    case "unrecognized_keys": {
      const known = (schema && keysOf(schema)) ?? [];
      return issue.keys.map((key) => ({
        at: [...path, key],
        of: "key",
        path,
        message: `unknown key "${key}"${suggest(key, known)}`,
      }));
    }
    case "invalid_key":
      return [badKey(root, path)];
    case "invalid_union": {
      const option = likelyOption(issue.errors);
      if (option) {
        return option.flatMap((inner) => findingsOf(root, value, { ...inner, path: [...path, ...inner.path] }));
      }
      return [unexpected(schema, path, valueAt(value, path))];
    }
    case "custom":
      if (!isPhrase(schema, issue.message)) return [{ at: path, of: "value", path, message: issue.message }];
      return [unexpected(schema, path, valueAt(value, path), issue.message)];
    case "invalid_format":
      return [unexpected(schema, path, valueAt(value, path), phraseOf(schema, issue.format))];
    case "too_small":
    case "too_big": {
      const check = issue.code === "too_big" ? "max_length" : "min_length";
      const phrase = issue.origin === "string" ? phraseOf(schema, check) : undefined;
      return [unexpected(schema, path, valueAt(value, path), phrase)];
    }
    default:
      return [unexpected(schema, path, valueAt(value, path))];
  }
}

/** "expected X, got Y (hint)"; a value of the wrong type is told the whole type, not the check that failed first. */
function unexpected(schema: Schema | undefined, path: readonly PropertyKey[], got: unknown, phrase?: string): Finding {
  const isText = typeof got === "string" || !schema || coreOf(schema)._zod.def.type !== "string";
  const expected = (isText ? phrase : undefined) ?? (schema ? describeSchema(schema) : "something else");
  return { at: path, of: "value", path, expected, got: formatValue(got), hint: schema && hintOf(schema, got) };
}

function badKey(root: Schema, path: readonly PropertyKey[]): Finding {
  const container = path.slice(0, -1);
  const key = String(path.at(-1));
  const schema = schemaAt(root, container);
  const def = schema && coreOf(schema)._zod.def;
  const keySchema = def?.type === "record" ? def.keyType : undefined;
  return {
    at: path,
    of: "key",
    path: container,
    expected: `${keySchema ? describeSchema(keySchema) : "something else"} as key`,
    got: JSON.stringify(key),
    hint: keySchema && hintOf(keySchema, key),
  };
}

/** The one option of a union whose shape fits, if its faults lie deeper. */
function likelyOption(options: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const fitting = options.filter((issues) => issues.length > 0 && issues.every((issue) => issue.path.length > 0));
  return fitting.length === 1 ? fitting[0] : undefined;
}

/** Messages of a schema's own checks go on after "expected"; those of checks across keys are whole sentences. */
function isPhrase(schema: Schema | undefined, message: string): boolean {
  if (!schema) return false;
  return layersOf(schema).some((layer) => checksOf(layer).some((check) => messageOfCheck(check) === message));
}

/** What the check of this format, or of this kind, wants. */
function phraseOf(schema: Schema | undefined, name: string): string | undefined {
  if (!schema) return undefined;
  const check = layersOf(schema)
    .flatMap((layer) => checksOf(layer))
    .find((candidate) => candidate.check === name || ("format" in candidate && candidate.format === name));
  return check && describeCheck(check);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const segment of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, segment)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[segment];
  }
  return current;
}

const textCharsMax = 60; // enough to find it in the file

function formatValue(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : `a list of ${value.length}`;
  if (typeof value === "object") return Object.keys(value).length === 0 ? "an empty mapping" : "a mapping";
  if (typeof value === "number") return String(value); // JSON has no .inf and .nan
  const isLong = typeof value === "string" && value.length > textCharsMax;
  return JSON.stringify(isLong ? `${value.slice(0, textCharsMax)}…` : value);
}

/** What to change, where a small change would do; tried on the schema before it is told. */
function hintOf(schema: Schema, value: unknown): string | undefined {
  const fits = (candidate: unknown) => z.safeParse(schema, candidate).success;
  if (value === undefined) return "the key is missing";
  if (value === null) return "nothing follows the colon";
  if (typeof value === "string") {
    if (value.trim() !== "" && fits(Number(value))) return "drop the quotes";
    if (["true", "false"].includes(value) && fits(value === "true")) return "drop the quotes";
    const meant = meantBy(value, schema, fits);
    if (meant !== undefined) return `did you mean ${meant}?`;
  } else if (typeof value === "number" || typeof value === "boolean") {
    if (fits(String(value))) return "put it in quotes";
    for (const unit of ["s", "B"]) if (fits(`${value}${unit}`)) return `add the unit, such as ${value}${unit}`;
  }
  return fits([value]) ? "write it as a list, in [ ]" : undefined;
}

const trueWords = ["yes", "on"]; // those of YAML 1.1, texts since YAML 1.2
const falseWords = ["no", "off"];

function meantBy(text: string, schema: Schema, fits: (candidate: unknown) => boolean): string | undefined {
  if (trueWords.includes(text.toLowerCase()) && fits(true)) return "true";
  if (falseWords.includes(text.toLowerCase()) && fits(false)) return "false";
  const choices = choicesOf(schema);
  const meant = choices
    ? nearestOf(text, choices)
    : [text.trim(), text.toUpperCase(), text.toLowerCase()].find((candidate) => fits(candidate));
  return meant === undefined ? undefined : JSON.stringify(meant);
}
