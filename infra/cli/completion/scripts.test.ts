import { execFileSync, spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { completionScript } from "./scripts.ts";

const launcher = path.resolve(import.meta.dirname, "../../../watershed");

/** What bash would offer behind this line. */
function offered(line: string): string[] {
  const script = `${completionScript("bash", launcher)}
COMP_LINE=$1; COMP_POINT=\${#COMP_LINE}; _watershed; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const env = { ...process.env, WATERSHED_STATE_DIR: "/nonexistent" };
  return execFileSync("bash", ["-c", script, "bash", line], { env, encoding: "utf8" }).split("\n").filter(Boolean);
}

describe("the completion of bash", () => {
  it.each([
    { line: "watershed stat", gives: ["status"] },
    { line: "./watershed status --tier ", gives: ["dns", "l4", "l7", "origin"] },
    {
      line: "watershed chaos kill server eu-west-a/api",
      gives: ["eu-west-a/api-1", "eu-west-a/api-2", "eu-west-a/api-3"],
    },
  ])("offers behind '$line': $gives", ({ line, gives }) => {
    expect(offered(line)).toEqual(gives);
  });
});

const isThere = (shell: string) => spawnSync("which", [shell]).status === 0;

describe.each(["bash", "zsh"] as const)("the script of %s", (shell) => {
  it.skipIf(!isThere(shell))("is read by it, where the path of the program has any characters", () => {
    const script = completionScript(shell, '/tmp/it\'s a "$path"/watershed');
    expect(spawnSync(shell, ["-n"], { input: script, encoding: "utf8" })).toMatchObject({ status: 0, stderr: "" });
  });
});
