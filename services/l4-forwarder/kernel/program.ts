import { spawn } from "node:child_process";
import { codeOf } from "#shared/core/error.ts";

/** How a program ended. */
export interface ProgramResult {
  /** Undefined if it could not be started, or had to be ended. */
  readonly code: number | undefined;
  readonly stdout: string;
  /** What it said of errors; or why it could not be started, or was ended. */
  readonly stderr: string;
  /** There is no such program. */
  readonly missing: boolean;
}

/** Runs a program to its end. Never rejects. Tests hand in another. */
export type RunProgram = (program: string, args: readonly string[], input?: string) => Promise<ProgramResult>;

const limitMs = 20_000; // a ruleset of 1,000 services takes about one second
const outputBytesMax = 256 * 1_048_576; // a million lines of conntrack

export const runProgram: RunProgram = (program, args, input = "") =>
  new Promise((resolve) => {
    const child = spawn(program, args, { timeout: limitMs, stdio: ["pipe", "pipe", "pipe"] });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let bytes = 0;
    const keep = (chunks: Buffer[]) => (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= outputBytesMax) chunks.push(chunk);
      else child.kill();
    };
    const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
    child.stdout.on("data", keep(stdout));
    child.stderr.on("data", keep(stderr));
    child.stdin.on("error", () => {}); // It ended before it had read all.
    child.on("error", (error) => {
      resolve({ code: undefined, stdout: "", stderr: error.message, missing: codeOf(error) === "ENOENT" });
    });
    child.on("close", (code) => {
      resolve({ code: code ?? undefined, stdout: text(stdout), stderr: text(stderr), missing: false });
    });
    child.stdin.end(input);
  });
