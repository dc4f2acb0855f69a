import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listLessons } from "#cli/lesson/library.ts";
import { parseLesson } from "#cli/lesson/page.ts";
import type { Lesson, Purpose } from "#cli/lesson/page.ts";
import { performLesson } from "#cli/lesson/perform.ts";
import { runCommands } from "#cli/lesson/shell.ts";
import { read } from "../repo/tree.ts";
import { hasClient } from "./real-clients.ts";
import { startStack } from "./stack.ts";
import type { TestStack } from "./stack.ts";

const lessonMs = 120_000;
const hasClients = hasClient("curl") && hasClient("dig"); // Pages use both.

/** The page as it stands, but for the numbers of the test stack, which leave those of your own stack alone. */
function renumbered({ number, name }: Lesson): Lesson {
  const file = `${String(number).padStart(2, "0")}-${name}.md`;
  const text = read(`docs/lessons/${file}`).replaceAll(/\b127(\\?\.)(11|12|53)(?=\\?\.)/g, "127$11$2");
  return parseLesson(file, text);
}

/** Runs these parts of a lesson.
 * @returns what did not hold, each with what was printed */
async function perform(lesson: Lesson, { env }: TestStack, ...purposes: Purpose[]) {
  const failures: string[] = [];
  let printed = "";
  const { held } = await performLesson(lesson, purposes, (script, onOutput) => runCommands(script, { env, onOutput }), {
    prose: () => {},
    commands: (script) => void (printed = `$ ${script}\n`),
    output: (text) => void (printed += text),
    verdict: ({ text }, { holds, found }) => {
      if (!holds) failures.push(`${text} (${found}) of\n${printed}`);
    },
  });
  return { held, failures };
}

/** Runs the pages of these numbers on one stack: what each claims, and its task before and after the solution.
 * WATERSHED_LESSONS=5,10 leaves out all others, while one is being written. */
export function describeLessons(from: number, to: number): void {
  const only = process.env["WATERSHED_LESSONS"]?.split(",");
  const lessons = listLessons()
    .filter(({ number }) => number >= from && number <= to)
    .filter(({ number }) => only?.includes(String(number)) ?? true)
    .map(renumbered);
  let stack: TestStack;

  beforeAll(async () => {
    if (hasClients) stack = await startStack({ nameServers: 153, euWest: 111, usEast: 112 }, "--no-demo");
  });
  afterAll(() => stack?.[Symbol.asyncDispose]());

  describe.each(lessons)("lesson $number, $name", (lesson) => {
    it.runIf(hasClients)("does what it says", { timeout: lessonMs }, async () => {
      const { held, failures } = await perform(lesson, stack, "run", "clean");
      expect(failures).toEqual([]);
      expect(held).toBeGreaterThan(2);
    });

    it.runIf(hasClients)(
      "grades its task: done after the solution, and not before",
      { timeout: lessonMs },
      async () => {
        expect((await perform(lesson, stack, "check")).failures, "before").not.toEqual([]);
        expect((await perform(lesson, stack, "solution")).failures, "solution").toEqual([]);
        expect((await perform(lesson, stack, "check")).failures, "after").toEqual([]);
        expect((await perform(lesson, stack, "clean")).failures, "clean").toEqual([]);
      },
    );
  });
}
