import { spawn } from "node:child_process";
import { commandsMs } from "./limits.ts";
import type { Printed } from "./claim.ts";
import { projectDir } from "../stack/state.ts";

const outputBytesMax = 4 * 1_048_576; // a status at netflix scale has a tenth of it

export interface ShellOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Called with what is printed, as it comes. */
  readonly onOutput?: (text: string) => void;
  /** Ends them. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs the commands of a block in the folder of the repository, as somebody would who copies them into a terminal. What is
 * still running after its end, or after its time, is killed with it. */
export function runCommands(script: string, { env, onOutput, signal }: ShellOptions): Promise<Printed> {
  const child = spawn("bash", ["-c", script], {
    cwd: projectDir,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true, // its own process group, so that it ends as a whole
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < outputBytesMax) output += text;
      onOutput?.(text);
    });
  const endGroup = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // ESRCH: everybody has ended.
    }
  };
  const timer = setTimeout(endGroup, commandsMs);
  const onExit = () => endGroup();
  process.once("exit", onExit);
  signal?.addEventListener("abort", endGroup);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      process.off("exit", onExit);
      signal?.removeEventListener("abort", endGroup);
      endGroup();
      resolve({ output, exitCode: code ?? 1 });
    });
  });
}
