import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listLessons } from "#cli/lesson/library.ts";
import type { Lesson, Purpose } from "#cli/lesson/page.ts";
import { performLesson } from "#cli/lesson/perform.ts";
import { parseLesson } from "#cli/lesson/page.ts";
import { runCommands } from "#cli/lesson/shell.ts";
import { startStack } from "#test/support/stack.ts";
import type { TestStack } from "#test/support/stack.ts";
import { read } from "../repo/tree.ts";

const lessonMs = 120_000;
let stack: TestStack;

beforeAll(async () => {
  stack = await startStack({ nameServers: 153, euWest: 111, usEast: 112 }, "--no-demo");
});
afterAll(() => stack?.[Symbol.asyncDispose]());

/** The page as it stands, but for the numbers of the test stack, which leave those of your own stack alone. */
function renumbered({ number, name }: Lesson): Lesson {
  const file = `${String(number).padStart(2, "0")}-${name}.md`;
  const text = read(`docs/lessons/${file}`).replaceAll(/\b127(\\?\.)(11|12|53)(?=\\?\.)/g, "127$11$2");
  return parseLesson(file, text);
}

/** Runs these parts of a lesson.
 * @returns what did not hold, each with what was printed */
async function perform(lesson: Lesson, ...purposes: Purpose[]) {
  const failures: string[] = [];
  let printed = "";
  const { held } = await performLesson(
    lesson,
    purposes,
    (script, onOutput) => runCommands(script, { env: stack.env, onOutput }),
    {
      prose: () => {},
      commands: (script) => void (printed = `$ ${script}\n`),
      output: (text) => void (printed += text),
      verdict: ({ text }, { holds, found }) => {
        if (!holds) failures.push(`${text} (${found}) of\n${printed}`);
      },
    },
  );
  return { held, failures };
}

/** WATERSHED_LESSONS=5,10 runs only these, while one is being written. */
const only = process.env["WATERSHED_LESSONS"]?.split(",");
const lessons = listLessons()
  .filter(({ number }) => only?.includes(String(number)) ?? true)
  .map(renumbered);
const isMeasure = (part: Lesson["parts"][number]) =>
  part.kind === "prose" || part.purpose !== "run" || part.script.startsWith("./watershed lesson measure ");
/** Those that measure on fleets of their own and touch the stack with their task alone: they wait most of the time, so they
 * run one after the other beside those that break the stack. */
const onFleets = lessons.filter(({ parts }) => parts.every(isMeasure));
const onStack = lessons.filter((lesson) => !onFleets.includes(lesson));
type Performed = Awaited<ReturnType<typeof perform>>;
const beside = new Map(
  onFleets.map(({ name }) => [
    name,
    { run: Promise.withResolvers<Performed>(), graded: Promise.withResolvers<void>() },
  ]),
);

function besides({ name }: Lesson) {
  const found = beside.get(name);
  if (!found) throw new Error(`${name} does not run beside the others`);
  return found;
}

beforeAll(() => {
  void (async () => {
    for (const lesson of onFleets) {
      const { run, graded } = besides(lesson);
      await perform(lesson, "run").then(run.resolve, run.reject);
      if (!lesson.needsStack) await expectGraded(lesson).then(graded.resolve, graded.reject);
    }
  })();
});

function expectHeld({ held, failures }: Performed): void {
  expect(failures).toEqual([]);
  expect(held).toBeGreaterThan(2);
}

async function expectGraded(lesson: Lesson): Promise<void> {
  expect((await perform(lesson, "check")).failures, "before").not.toEqual([]);
  expect((await perform(lesson, "solution")).failures, "solution").toEqual([]);
  expect((await perform(lesson, "check")).failures, "after").toEqual([]);
  expect((await perform(lesson, "clean")).failures, "clean").toEqual([]);
}

describe.each(onStack)("lesson $number, $name", (lesson) => {
  it("does what it says", { timeout: lessonMs }, async () => {
    expectHeld(await perform(lesson, "run", "clean"));
  });

  it("grades its task: not done before, done after the solution", { timeout: lessonMs }, () => expectGraded(lesson));
});

describe.each(onFleets)("lesson $number, $name, on fleets", (lesson) => {
  it("does what it says", { timeout: lessonMs }, async () => {
    expectHeld(await besides(lesson).run.promise);
  });

  it("grades its task: not done before, done after the solution", { timeout: lessonMs }, () =>
    lesson.needsStack ? expectGraded(lesson) : besides(lesson).graded.promise,
  );
});
