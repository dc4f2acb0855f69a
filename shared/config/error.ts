import { UsageError } from "#shared/core/error.ts";

/** One thing that is wrong with a config. Lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** `pools.api.endpoints[0].weight`; "" is the whole file. */
  readonly path: string;
  /** What should have stood there; absent where the message is not of the form "expected X, got Y". */
  readonly expected?: string;
  readonly got?: string;
  readonly hint?: string;
  /** The whole sentence, without the place. */
  readonly message: string;
  /** Where the config names the file, if that is another one. */
  readonly namedBy?: Place;
}

/** What stands before the message of a problem. */
export type Place = Pick<Problem, "file" | "line" | "column" | "path">;

/** A problem of the form "expected X, got Y (hint)". */
export function unmet(
  place: Place,
  parts: { readonly expected: string; readonly got: string; readonly hint?: string | undefined },
  namedBy?: Place,
): Problem {
  const { expected, got, hint } = parts;
  return {
    ...place,
    expected,
    got,
    ...(hint !== undefined && { hint }),
    message: expectation(parts),
    ...naming(namedBy),
  };
}

const problemsShownMax = 100; // more than anyone reads at a time; a terminal keeps them all

/** A config that cannot be used: everything that is wrong with it, one problem a line, in the order of the file. */
export class ConfigError extends UsageError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const lines = problems.slice(0, problemsShownMax).map(formatProblem);
    if (problems.length > problemsShownMax) lines.push(`and ${problems.length - problemsShownMax} more`);
    super(lines.join("\n"));
    this.problems = problems;
  }

  /** Those in which something is wrong. */
  get files(): readonly string[] {
    return [...new Set(this.problems.map(({ file }) => file))];
  }
}

/** `l7-router.yaml:14:15 pools.api.balance: expected …, got … (…)` */
export function formatProblem({ message, namedBy, ...place }: Problem): string {
  return `${formatPlace(place)}: ${message}${namedBy ? ` [${formatPlace(namedBy)}]` : ""}`;
}

/** `l7-router.yaml:14:15 pools.api.balance` */
export function formatPlace({ file, line, column, path }: Place): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}${path === "" ? "" : ` ${path}`}`;
}

/** What is wrong with a file that a config names: told where it is named, unless it has a place in the file. */
export function problemsOfFile(problems: readonly Problem[], namedBy: Place): readonly Problem[] {
  return problems.map((one) => {
    if (one.line !== undefined) return { ...one, ...naming(namedBy) };
    const { file, expected, got = "nothing", hint, message } = one;
    if (expected === undefined) return { ...namedBy, message: `${file}: ${message}` };
    return unmet(namedBy, { expected: `${expected} in ${file}`, got, hint });
  });
}

/** Said of problems in a file, where it is known which config names the file. */
export function naming(namedBy: Place | undefined): Pick<Problem, "namedBy"> {
  return namedBy === undefined || namedBy.path === "" ? {} : { namedBy };
}

/** "expected X, got Y (hint)" */
export function expectation(parts: { expected: string; got: string; hint?: string | undefined }): string {
  const { expected, got, hint } = parts;
  return `expected ${expected}, got ${got}${hint === undefined ? "" : ` (${hint})`}`;
}

const plainKey = /^[A-Za-z_][\w-]*$/;

/** The path of a value as it would be written in code: `dnsZones["stream.test"].records.www.A[0]`. */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (plainKey.test(String(key))) text += text === "" ? String(key) : `.${String(key)}`;
    else text += `[${JSON.stringify(String(key))}]`;
  }
  return text;
}
