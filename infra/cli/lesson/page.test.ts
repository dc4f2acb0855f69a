import { describe, expect, it } from "vitest";
import { parseLesson } from "./page.ts";
import { performLesson } from "./perform.ts";
import type { Purpose } from "./page.ts";

const page = `# 3. Parts

> What is in
> a page?

5 minutes. Needs the stack: \`npm start\`.

Some words.

\`\`\`sh
first
\`\`\`

\`\`\`expect
says one
exit 1
\`\`\`

\`\`\`yaml
a: 1
\`\`\`

\`\`\`sh check
second
\`\`\`

\`\`\`sh solution
third
\`\`\`

\`\`\`sh clean
fourth
\`\`\`
`;

const lesson = parseLesson("03-parts.md", page);

/** What was run, and which claims did not hold, where each script prints `outputs` of its name and ends with 0. */
async function perform(purposes: readonly Purpose[], outputs: Record<string, [string, number]>) {
  const run: string[] = [];
  const failed: string[] = [];
  const counts = await performLesson(
    lesson,
    purposes,
    (script) => {
      run.push(script);
      const [output, exitCode] = outputs[script] ?? ["", 0];
      return Promise.resolve({ output, exitCode });
    },
    {
      prose: () => {},
      commands: () => {},
      output: () => {},
      verdict: ({ text }, { holds }) => void (holds || failed.push(text)),
    },
  );
  return { run, failed, counts };
}

describe("a page", () => {
  it("has its name, number, title, question and time", () => {
    expect(lesson).toMatchObject({ number: 3, name: "parts", title: "Parts", minutes: 5, needsStack: true });
    expect(lesson.question).toBe("What is in a page?");
  });

  it("has its commands in order, with claims and line; other blocks are prose", () => {
    const commands = lesson.parts.flatMap((part) => (part.kind === "commands" ? [part] : []));
    expect(commands.map(({ purpose, script, claims, line }) => [purpose, script, claims.length, line])).toEqual([
      ["run", "first", 2, 10],
      ["check", "second", 0, 23],
      ["solution", "third", 0, 27],
      ["clean", "fourth", 0, 31],
    ]);
    expect(lesson.parts.some((part) => part.kind === "prose" && part.text.includes("a: 1"))).toBe(true);
  });

  it.each([
    ["another name", "parts.md", page, "parts.md: expected a name"],
    ["no title", "03-a.md", "", "03-a.md: expected a title"],
    ["claims first", "03-a.md", page.replace("```sh\nfirst\n```\n", ""), "03-a.md:11: claims without commands"],
    ["no end of a block", "03-a.md", `${page}\`\`\`sh\n`, "03-a.md:34: this block has no end"],
    ["a claim that is none", "03-a.md", page.replace("says one", "is one"), '03-a.md:15: "is one" is no claim'],
  ])("with %s is refused", (_, file, text, message) => {
    expect(() => parseLesson(file, text)).toThrow(message);
  });
});

describe("performing a page", () => {
  it("runs what is asked for and judges each claim", async () => {
    const { run, failed, counts } = await perform(["run", "clean"], { first: ["one", 1] });
    expect(run).toEqual(["first", "fourth"]);
    expect(failed).toEqual([]);
    expect(counts).toEqual({ held: 3, failed: 0 });
  });

  it("expects exit code 0 where no other is claimed", async () => {
    expect((await perform(["check"], { second: ["", 3] })).failed).toEqual(["exit 0"]);
    expect((await perform(["run"], { first: ["one", 0] })).failed).toEqual(["exit 1"]);
  });

  it("stops where it is told to, and cleans up", async () => {
    const stop = new AbortController();
    const ran: string[] = [];
    const counts = await performLesson(
      lesson,
      ["run", "check", "clean"],
      (script) => {
        ran.push(script);
        if (script === "first") stop.abort();
        return Promise.resolve({ output: "", exitCode: 0 });
      },
      { prose: () => {}, commands: () => {}, output: () => {}, verdict: () => {} },
      stop.signal,
    );
    expect(ran).toEqual(["first", "fourth"]);
    expect(counts).toEqual({ held: 1, failed: 0 });
  });

  it("cleans up once, and also when a step breaks", async () => {
    const ran: string[] = [];
    const broken = performLesson(
      lesson,
      ["run", "clean"],
      (script) => {
        ran.push(script);
        return script === "first"
          ? Promise.reject(new Error("no shell"))
          : Promise.resolve({ output: "", exitCode: 0 });
      },
      { prose: () => {}, commands: () => {}, output: () => {}, verdict: () => {} },
    );
    await expect(broken).rejects.toThrow("no shell");
    expect(ran).toEqual(["first", "fourth"]);
  });
});
