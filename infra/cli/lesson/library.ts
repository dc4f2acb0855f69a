import fs from "node:fs";
import path from "node:path";
import { suggest } from "#shared/config/nearest.ts";
import { UsageError } from "#shared/core/error.ts";
import { projectDir } from "../stack/state.ts";
import { parseLesson } from "./page.ts";
import type { Lesson } from "./page.ts";

const folder = path.join(projectDir, "docs", "lessons");

/** Every lesson, in the order of their numbers: a page in docs/lessons is one.
 * @throws {UsageError} for a page that cannot be read as one */
export function listLessons(): readonly Lesson[] {
  return fs
    .readdirSync(folder)
    .filter((file) => /^\d/.test(file) && file.endsWith(".md"))
    .toSorted()
    .map((file) => parseLesson(file, fs.readFileSync(path.join(folder, file), "utf8")));
}

/** @param wanted its name or number
 * @throws {UsageError} if there is none */
export function findLesson(wanted: string, lessons: readonly Lesson[] = listLessons()): Lesson {
  const found = lessons.find(({ name, number }) => name === wanted || String(number) === wanted);
  if (found) return found;
  const names = lessons.map(({ name }) => name);
  throw new UsageError(`there is no lesson "${wanted}"${suggest(wanted, names)} (known: ${names.join(", ")})`);
}
