import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { assert, codeOf, messageOf } from "#shared/core/error.ts";
import type { HealthConfig } from "#shared/config/schema/common.ts";
import type { CheckResult, CheckTarget } from "../check.ts";
import { failure } from "./connect.ts";

const atOnceMax = 16; // of this process: every program is a process of its own
const outputBytesMax = 65_536; // a program that says more is out of hand
const shownCharsMax = 200;

/** Passes when a program ends with 0. It is run straight, without a shell, with an almost empty environment; with its time
 * it and whatever it has started are killed. */
export async function checkExec(target: CheckTarget, config: HealthConfig, signal: AbortSignal): Promise<CheckResult> {
  const { command } = config;
  assert(command, "an exec check has a command");
  if (signal.aborted) return failure("CHECK_TIMEOUT", "no time was left to run the program");
  if (!(await takeTurn(signal)))
    return { ...failure("CHECK_TIMEOUT", `${atOnceMax} other programs are running`), inconclusive: true };
  try {
    return await run(
      command.map((word) => fillIn(word, target)),
      target,
      config.timeoutMs,
      signal,
    );
  } finally {
    endTurn();
  }
}

function fillIn(word: string, { host, port }: CheckTarget): string {
  return word.replaceAll("{address}", host).replaceAll("{port}", String(port));
}

function run(
  [program = "", ...words]: readonly string[],
  { host, port }: CheckTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  return new Promise((resolve) => {
    // A group of its own, so that what the program starts ends with it.
    const child = spawn(program, words, {
      detached: true,
      shell: false,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"] ?? "", WATERSHED_ADDRESS: host, WATERSHED_PORT: String(port) },
    });
    let output = "";
    let killedFor: CheckResult | undefined;
    const kill = (why: CheckResult) => {
      killedFor ??= why;
      killGroup(child);
    };
    const late = () => kill(failure("CHECK_TIMEOUT", `the program had not ended after ${timeoutMs} ms`));
    signal.addEventListener("abort", late, { once: true });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (output.length > outputBytesMax)
          kill(failure("CHECK_FAILED", `the program wrote over ${outputBytesMax} bytes`));
      });
    child.on("error", (error) => {
      signal.removeEventListener("abort", late);
      // ENOENT, EACCES, EAGAIN: this machine could not run it, so it says nothing of the target.
      resolve({ ...failure("CHECK_FAILED", `${program}: ${codeOf(error) || messageOf(error)}`), inconclusive: true });
    });
    child.on("exit", (code, killedBy) => {
      signal.removeEventListener("abort", late);
      killGroup(child); // Whatever it has left behind would hold the pipes open.
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(killedFor ?? judge(code, killedBy, output));
    });
    if (signal.aborted) late();
  });
}

function judge(code: number | null, killedBy: string | null, output: string): CheckResult {
  const line = output.trim().split("\n")[0]?.slice(0, shownCharsMax) ?? "";
  const said = line === "" ? "" : `: ${line}`;
  if (code === 0) return { passed: true, reason: "OK", detail: `ended with 0${said}` };
  if (code === null) return failure("CHECK_FAILED", `ended by ${killedBy}${said}`);
  return failure("CHECK_STATUS", `ended with ${code}${said}`);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // All of them have ended.
  }
}

let running = 0;
const waiting = new Set<() => void>();

/** @returns false if the time was over before a turn came */
function takeTurn(signal: AbortSignal): Promise<boolean> {
  if (running < atOnceMax) {
    running++;
    return Promise.resolve(true);
  }
  return new Promise((resolve) => {
    const begin = () => {
      signal.removeEventListener("abort", giveUp);
      resolve(true);
    };
    const giveUp = () => {
      waiting.delete(begin);
      resolve(false);
    };
    waiting.add(begin);
    signal.addEventListener("abort", giveUp, { once: true });
  });
}

/** Hands the turn to the next, or gives it back. */
function endTurn(): void {
  const [next] = waiting;
  if (next) {
    waiting.delete(next);
    next();
  } else running--;
}
