import { UsageError } from "#shared/core/error.ts";
import { cellOf } from "./printed-table.ts";

const operators = ["<=", ">=", "=", "<", ">"] as const;
type Operator = (typeof operators)[number];

interface CellName {
  readonly row: string;
  readonly column: string;
}

/** One statement about what commands have printed. */
export type Claim = { readonly text: string } & (
  | { readonly kind: "says"; readonly pattern: RegExp | string; readonly wanted: boolean }
  | { readonly kind: "exit"; readonly code: number }
  | {
      readonly kind: "compare";
      readonly what: RegExp | CellName;
      readonly operator: Operator;
      readonly factor: number;
      /** Null: the factor alone is what it is compared with. */
      readonly other: CellName | null;
      /** Compared as text, where it is no number. */
      readonly word: string | null;
    }
);

export interface Printed {
  readonly output: string;
  readonly exitCode: number;
}

export interface Verdict {
  readonly holds: boolean;
  /** What was there instead, or what the number was. */
  readonly found: string;
}

/** Reads one claim:
 *
 *     says → 200 in                       the output holds this text; /…/ is an expression
 *     never says error
 *     exit 1                              else 0 is expected
 *     weighted: a = 50                    of the row and column of a printed table; = < > <= >=
 *     power-of-two: p99 ms < 0.5 × random: p99 ms
 *     /(\d+) failed/ = 0                  the number that an expression catches
 *
 * @param place for errors: "page.md:12"
 * @throws {UsageError} if it is none of these */
export function parseClaim(text: string, place: string): Claim {
  const says = /^(never )?says (.+)$/.exec(text);
  if (says) return { kind: "says", text, pattern: patternOf(says[2] ?? ""), wanted: says[1] === undefined };
  const exit = /^exit (\d+)$/.exec(text);
  if (exit) return { kind: "exit", text, code: Number(exit[1]) };
  const compare = /^(\/.+\/|[^:]+: .+?) (<=|>=|=|<|>) (.+)$/.exec(text);
  if (!compare) throw new UsageError(`${place}: "${text}" is no claim: see docs/lessons/README.md`);
  const [, left = "", operator = "=", right = ""] = compare;
  return { kind: "compare", text, what: whatOf(left), operator: operator as Operator, ...rightOf(right) };
}

function patternOf(text: string): RegExp | string {
  const expression = /^\/(.+)\/$/.exec(text)?.[1];
  return expression === undefined ? text : new RegExp(expression, "m");
}

function whatOf(text: string): RegExp | CellName {
  const pattern = patternOf(text);
  return typeof pattern === "string" ? cellName(pattern) : pattern;
}

function cellName(text: string): CellName {
  const colon = text.indexOf(": ");
  return { row: text.slice(0, colon), column: text.slice(colon + 2) };
}

function rightOf(text: string): Pick<Claim & { kind: "compare" }, "factor" | "other" | "word"> {
  const scaled = /^([\d.]+) × (.+: .+)$/.exec(text);
  if (scaled) return { factor: Number(scaled[1]), other: cellName(scaled[2] ?? ""), word: null };
  if (/^[^:]+: .+$/.test(text)) return { factor: 1, other: cellName(text), word: null };
  const number = Number(text);
  return Number.isNaN(number) ? { factor: 0, other: null, word: text } : { factor: number, other: null, word: null };
}

/** Whether it is so. What is not printed at all does not hold. */
export function judge(claim: Claim, { output, exitCode }: Printed): Verdict {
  if (claim.kind === "exit") return { holds: exitCode === claim.code, found: `exit ${exitCode}` };
  if (claim.kind === "says") {
    const there = typeof claim.pattern === "string" ? output.includes(claim.pattern) : claim.pattern.test(output);
    return { holds: there === claim.wanted, found: there ? "it says so" : "it does not say so" };
  }
  const left = textOf(claim.what, output);
  if (left === undefined) return { holds: false, found: "there is no such value" };
  if (claim.word !== null) return { holds: left === claim.word, found: left };
  const other = claim.other === null ? "1" : cellOf(output, claim.other.row, claim.other.column);
  const [a, b] = [numberOf(left), claim.factor * numberOf(other ?? "")];
  const found = claim.other === null ? left : `${left}, against ${other ?? "nothing"}`;
  return { holds: compare(a, claim.operator, b), found };
}

function textOf(what: RegExp | CellName, output: string): string | undefined {
  return what instanceof RegExp ? what.exec(output)?.[1] : cellOf(output, what.row, what.column);
}

/** The number at the beginning: "12 ms", "50 %", "1,200". */
function numberOf(text: string): number {
  return Number.parseFloat(text.replaceAll(",", ""));
}

/** False for what is no number. */
function compare(a: number, operator: Operator, b: number): boolean {
  if (operator === "=") return a === b;
  if (operator === "<") return a < b;
  if (operator === ">") return a > b;
  return operator === "<=" ? a <= b : a >= b;
}
