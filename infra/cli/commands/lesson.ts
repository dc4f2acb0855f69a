import { once } from "node:events";
import readline from "node:readline";
import { UsageError } from "#shared/core/error.ts";
import { commandName } from "../command-name.ts";
import { findLesson, listLessons } from "../lesson/library.ts";
import type { Lesson, Purpose } from "../lesson/page.ts";
import { performLesson } from "../lesson/perform.ts";
import type { Audience, RunScript } from "../lesson/perform.ts";
import { runCommands } from "../lesson/shell.ts";
import { launcherLives, readRun, stateDir } from "../stack/state.ts";
import { listenForStop } from "../stack/stop.ts";
import type { StopRequest } from "../stack/stop.ts";
import { paintForStdout, renderTable } from "../table.ts";
import { formatCount } from "../text.ts";
import { example } from "./command.ts";
import type { AddCommand } from "./command.ts";
import { addLessonMeasure } from "./lesson-measure.ts";

interface RunOptions {
  readonly yes?: boolean;
  readonly json?: boolean;
}

export const addLesson: AddCommand = (program, exitWith) => {
  const command = program
    .command("lesson")
    .description("lessons to run: what every tier does, measured on the stack that is up");
  command
    .command("list")
    .description("every lesson, and the question that it answers")
    .option("--json", "with what each consists of")
    .action(({ json }: RunOptions) => list(json === true));
  const run = command
    .command("run")
    .description("goes through a lesson step by step; Enter runs the next commands")
    .argument("<name>", "such as one-request, or its number")
    .option("--yes", "without waiting for Enter; so it is where nobody sits at a terminal")
    .option("--json", "one JSON object a step, claim or end")
    .action(async (name: string, options: RunOptions) => exitWith(await runLesson(findLesson(name), options)));
  example(run, "lesson run one-request");
  const check = command
    .command("check")
    .description('grades the "try it yourself" of a lesson by how the stack is now')
    .argument("<name>", "such as one-request, or its number")
    .option("--json", "one JSON object a claim or end")
    .action(async (name: string, options: RunOptions) => exitWith(await checkLesson(findLesson(name), options)));
  example(check, "lesson check one-request");
  addLessonMeasure(command, exitWith);
};

function list(json: boolean): void {
  const lessons = listLessons();
  if (json) {
    process.stdout.write(`${JSON.stringify(lessons, patternsAsText, 2)}\n`);
    return;
  }
  const columns = [{ title: "", align: "right" }, { title: "name" }, { title: "minutes", align: "right" }] as const;
  const rows = lessons.map(({ number, name, minutes, question }) => [String(number), name, String(minutes), question]);
  process.stdout.write(renderTable([...columns, { title: "question" }], rows, paintForStdout));
}

const patternsAsText = (_key: string, value: unknown): unknown => (value instanceof RegExp ? String(value) : value);

/** @returns 0 if everything that the page claims was so, else 1; 130 if it was ended before its end, as shells say of Ctrl-C */
async function runLesson(lesson: Lesson, { yes = false, json = false }: RunOptions): Promise<number> {
  checkStack(lesson);
  using stop = listenForStop(() => process.exit(1));
  const waits = !yes && !json && process.stdin.isTTY;
  const told = json ? jsonAudience() : textAudience(waits ? () => enter(stop) : undefined);
  if (!json) process.stdout.write(paintForStdout("bold", `${lesson.number}. ${lesson.title}\n`));
  const run: RunScript = (script, onOutput, purpose) =>
    runCommands(script, { env: process.env, onOutput, signal: purpose === "clean" ? undefined : stop.signal });
  const counts = await performLesson(lesson, ["run", "clean"], run, told, stop.signal);
  if (stop.signal.aborted) return 130;
  return end(lesson, counts, json, `then try it yourself: ${commandName()} lesson check ${lesson.name}`);
}

/** @returns 0 if the task is done, else 1 */
async function checkLesson(lesson: Lesson, { json = false }: RunOptions): Promise<number> {
  checkStack(lesson);
  const purposes: readonly Purpose[] = ["check"];
  const audience = json ? jsonAudience() : { ...textAudience(), commands: () => {}, output: () => {} };
  const parts = lesson.parts.filter(({ kind }) => kind === "commands");
  const counts = await performLesson({ parts }, purposes, runHere, audience);
  if (counts.held + counts.failed === 0) throw new UsageError(`${lesson.name} has nothing to check`);
  return end(lesson, counts, json, "well done");
}

function end(
  { name }: Lesson,
  { held, failed }: { readonly held: number; readonly failed: number },
  json: boolean,
  whenGood: string,
): number {
  const verdict = failed === 0 ? whenGood : `${formatCount(failed, "claim")} did not hold`;
  const text = json
    ? JSON.stringify({ kind: "end", lesson: name, held, failed })
    : `\n${formatCount(held, "claim")} held; ${verdict}`;
  process.stdout.write(`${text}\n`);
  return failed === 0 ? 0 : 1;
}

/** @throws {UsageError} if the lesson needs the stack and it is not up here */
function checkStack({ needsStack, name }: Lesson): void {
  const run = readRun(stateDir());
  if (needsStack && !(run && launcherLives(run)))
    throw new UsageError(`${name} needs the stack: npm start, in another terminal, and leave it running`);
}

const runHere: RunScript = (script, onOutput) => runCommands(script, { env: process.env, onOutput });

/** @param wait waits before commands */
function textAudience(wait?: () => Promise<void>): Audience {
  const write = (text: string) => process.stdout.write(text);
  return {
    prose: (text) => write(`\n${plain(text)}\n`),
    async commands(script) {
      write(`\n${script.replaceAll(/^/gm, "$ ")}\n`);
      await wait?.();
    },
    output: write,
    verdict({ text }, { holds, found }) {
      const sign = holds ? paintForStdout("green", "  holds") : paintForStdout("red", "  FAILS");
      write(`${sign}  ${text}${holds && found.startsWith("it ") ? "" : `  (${found})`}\n`);
    },
  };
}

function jsonAudience(): Audience {
  const write = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
  return {
    prose: (text) => write({ kind: "prose", text }),
    commands: (script) => void write({ kind: "commands", script }),
    output: (text) => write({ kind: "output", text }),
    verdict: ({ text }, { holds, found }) => write({ kind: "claim", text, holds, found }),
  };
}

/** Markdown for a terminal: pictures as their file, no tags of HTML, no title twice. */
function plain(text: string): string {
  return text
    .replaceAll(/^# .*\n+/gm, "")
    .replaceAll(/!\[([^\]]*)\]\(([^)]*)\)/g, "[$1: docs/lessons/$2]")
    .replaceAll(/<summary>.*<\/summary>|<\/?details>/g, "")
    .trim();
}

/** Resolves at Enter, at the end of the input, or when somebody wants it all to end. */
async function enter({ asked }: StopRequest): Promise<void> {
  const lines = readline.createInterface({ input: process.stdin });
  process.stdout.write(paintForStdout("dim", "Enter "));
  await Promise.race([once(lines, "line"), once(lines, "close"), asked]);
  lines.close();
}
