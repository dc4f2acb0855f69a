import { spawn } from "node:child_process";
import path from "node:path";
import { UsageError } from "#shared/core/error.ts";

const program = path.resolve(import.meta.dirname, "../../infra/cli/main.ts");
const outputCharsMax = 4 * 1_048_576; // a trace holds 4 KiB of the body and some hundred candidates
const atOnceMax = 8; // each is a Node of its own
const timeLimitMs = 90_000; // a drill waits a minute for who comes back

let running = 0;

/** What a command printed, line by line as it came. */
export interface CommandOptions {
  readonly onLine?: (line: string) => void;
}

/** Runs `./watershed …`: drills and traces are the very ones of the command line.
 * @returns what it printed, and its exit code
 * @throws {UsageError} with its own words, if it refuses (exit code 2), or too many run */
export function runCommand(
  words: readonly string[],
  { onLine }: CommandOptions = {},
): Promise<{ readonly code: number; readonly output: string }> {
  if (running >= atOnceMax) throw new UsageError(`${atOnceMax} commands run already: wait for one of them`);
  running++;
  const child = spawn(process.execPath, [program, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NO_COLOR: "1" },
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), timeLimitMs);
  let [output, errors, rest] = ["", "", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output.length < outputCharsMax) output += text;
    if (!onLine) return;
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line !== "") onLine(line);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors = (errors + text).slice(0, 4_096)));
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(limit);
      running--;
    };
    child.once("error", (error) => {
      end();
      reject(error);
    });
    child.once("close", (code) => {
      end();
      if (code === 2) reject(new UsageError(errors.replace(/^error: /, "").trim()));
      else resolve({ code: code ?? 1, output: output === "" ? errors : output });
    });
  });
}
