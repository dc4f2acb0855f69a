import { describe, expect, it } from "vitest";
import { listLessons } from "#cli/lesson/library.ts";
import { measurements } from "#cli/lesson/measure/registry.ts";
import { files, read } from "./tree.ts";

const lessons = listLessons();
const pages = files.filter((path) => /^docs\/lessons\/\d{2}-[a-z0-9-]+\.md$/.test(path));
const text = pages.map(read).join("\n");

describe("lessons", () => {
  it("have one row each in docs/lessons/README.md, with their title, page and minutes", () => {
    const rows = Array.from(
      read("docs/lessons/README.md").matchAll(/^\| (\d+) +\| \[(.+)\]\((.+)\) +\| (\d+) +\|/gm),
      ([, number, title, page, minutes]) => [Number(number), title, page, Number(minutes)],
    );
    const named = lessons.map(({ number, title, name, minutes }) => {
      return [number, title, `${String(number).padStart(2, "0")}-${name}.md`, minutes];
    });
    expect(rows).toEqual(named);
  });

  it("are numbered without a repeat", () => {
    const numbers = lessons.map(({ number }) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it.each(lessons)(
    "$number, $name, claims something of what it runs, and has a task with a check and a solution",
    ({ parts }) => {
      const commands = parts.flatMap((part) => (part.kind === "commands" ? [part] : []));
      const claimsOf = (purpose: string) =>
        commands.filter((part) => part.purpose === purpose).flatMap(({ claims }) => claims);
      expect(claimsOf("run").length).toBeGreaterThan(2);
      expect(claimsOf("check").length).toBeGreaterThan(0);
      expect(commands.some(({ purpose }) => purpose === "solution")).toBe(true);
      expect(commands.at(-1)?.purpose, "the last block puts everything back").toBe("clean");
    },
  );

  it.each(Object.keys(measurements))("show the measurement %s", (name) => {
    expect(text).toContain(`./watershed lesson measure ${name}`);
  });

  it("show only pictures that there are, and every one of them", () => {
    const shown = Array.from(text.matchAll(/!\[[^\]]+\]\((pictures\/[^)]+)\)/g), ([, file]) => `docs/lessons/${file}`);
    expect(shown.toSorted()).toEqual(files.filter((path) => path.startsWith("docs/lessons/pictures/")));
  });
});
