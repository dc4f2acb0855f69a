import { UsageError } from "#shared/core/error.ts";
import { parseClaim } from "./claim.ts";
import type { Claim } from "./claim.ts";

/** What a fenced block of commands is for. */
export type Purpose = "run" | "solution" | "check" | "clean";

export type Part =
  | { readonly kind: "prose"; readonly text: string }
  | {
      readonly kind: "commands";
      readonly purpose: Purpose;
      /** As printed. */
      readonly script: string;
      /** What must hold of its output. */
      readonly claims: readonly Claim[];
      readonly line: number;
    };

/** One lesson: a Markdown page whose blocks are run. */
export interface Lesson {
  readonly number: number;
  /** As on the command line: "one-request". */
  readonly name: string;
  readonly title: string;
  /** The question that it answers: its first quoted paragraph. */
  readonly question: string;
  readonly minutes: number;
  readonly needsStack: boolean;
  readonly parts: readonly Part[];
}

const purposes: Readonly<Record<string, Purpose>> = {
  sh: "run",
  "sh solution": "solution",
  "sh check": "check",
  "sh clean": "clean",
};

/** Reads a lesson. ```sh blocks are commands: of the page itself, or its `solution`, `check` and `clean`; an ```expect block
 * behind one holds claims about its output, one a line. Any other block is prose.
 * @param file such as "01-one-request.md"
 * @throws {UsageError} with the file and line of what cannot be read */
export function parseLesson(file: string, text: string): Lesson {
  const named = /^(\d{2})-([a-z0-9-]+)\.md$/.exec(file);
  if (!named) throw new UsageError(`${file}: expected a name such as 01-one-request.md`);
  const title = matchOf(file, text, /^# \d+\. (.+)$/m, 'a title "# 1. One request"');
  const question = matchOf(file, text, /^> ((?:.+\n>? ?)*.+)$/m, "a question as a quoted paragraph");
  const minutes = matchOf(file, text, /^(\d+) minutes\. /m, '"10 minutes. Needs the stack." as a line');
  return {
    number: Number(named[1]),
    name: named[2] ?? "",
    title,
    question: question.replaceAll(/\n> ?/g, " "),
    minutes: Number(minutes),
    needsStack: /^\d+ minutes\. Needs the stack\b/m.test(text),
    parts: partsOf(file, text.split("\n")),
  };
}

function matchOf(file: string, text: string, pattern: RegExp, wanted: string): string {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new UsageError(`${file}: expected ${wanted}`);
  return found;
}

function partsOf(file: string, lines: readonly string[]): Part[] {
  const parts: Part[] = [];
  let prose: string[] = [];
  const endProse = () => {
    const text = prose.join("\n").trim();
    if (text !== "") parts.push({ kind: "prose", text });
    prose = [];
  };
  for (let i = 0; i < lines.length; i++) {
    const info = /^```(.*)$/.exec(lines[i] ?? "")?.[1]?.trim();
    if (info === undefined) {
      prose.push(lines[i] ?? "");
      continue;
    }
    const end = lines.indexOf("```", i + 1);
    if (end < 0) throw new UsageError(`${file}:${i + 1}: this block has no end`);
    const body = lines.slice(i + 1, end);
    const purpose = purposes[info];
    if (purpose !== undefined) {
      endProse();
      parts.push({ kind: "commands", purpose, script: body.join("\n"), claims: [], line: i + 1 });
    } else if (info === "expect") {
      endProse();
      const at = parts.findLastIndex(({ kind }) => kind === "commands");
      const last = parts[at];
      if (last?.kind !== "commands") throw new UsageError(`${file}:${i + 1}: claims without commands before them`);
      const claims = body.map((line, j) => parseClaim(line, `${file}:${i + 2 + j}`));
      parts[at] = { ...last, claims: [...last.claims, ...claims] };
    } else prose.push(...lines.slice(i, end + 1));
    i = end;
  }
  endProse();
  return parts;
}
