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
}

/** `l7-router.yaml:14:15 pools.api.balance: expected …, got … (…)` */
export function formatProblem({ file, line, column, path, message }: Problem): string {
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  return `${place}${path === "" ? "" : ` ${path}`}: ${message}`;
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
