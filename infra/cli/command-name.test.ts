import path from "node:path";
import { expect, it } from "vitest";
import { commandName } from "./command-name.ts";
import { projectDir } from "./stack/state.ts";

it.each([
  { cwd: projectDir, name: "./watershed" },
  { cwd: path.dirname(projectDir), name: path.join(projectDir, "watershed") },
  { cwd: path.join(projectDir, "docs"), name: path.join(projectDir, "watershed") },
  { cwd: "/nowhere", name: path.join(projectDir, "watershed") },
])("in $cwd the command line is called $name", ({ cwd, name }) => {
  expect(commandName(cwd)).toBe(name);
});
