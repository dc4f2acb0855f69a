import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";

export const serverCore = 0;
export const loadCore = 1;
const loadSecondsMax = 60;

export function coreCount(): number {
  return availableParallelism();
}

/** Whether a program can be run by its name. */
export function isOnPath(program: string): boolean {
  const folders = [...(process.env["PATH"] ?? "").split(path.delimiter), "/usr/sbin", "/sbin"];
  return folders.some((folder) => {
    try {
      accessSync(path.join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** A server under test, on one core. Ends with its block, by its own process id. */
export class PinnedServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  #output = "";

  constructor(
    argv: readonly string[],
    { core = String(serverCore), env = {} }: { core?: string | undefined; env?: NodeJS.ProcessEnv } = {},
  ) {
    this.#process = spawn("taskset", ["-c", core, ...argv], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, ...env },
    });
    const keep = (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-4_000));
    this.#process.stdout?.on("data", keep);
    this.#process.stderr?.on("data", keep);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves once `probe` does; tries it over and over for ten seconds.
   * @throws with the last output of the server, if it never does */
  async ready(probe: () => Promise<unknown>): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        await probe();
        return;
      } catch (error) {
        if (this.#process.exitCode !== null || tries === 100)
          throw new Error(`the server did not answer: ${this.#output}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  /** Resident memory, its children's included, bytes. */
  async memoryBytes(): Promise<number> {
    return sumOf(await Promise.all((await this.#pids()).map(residentBytes)));
  }

  /** Processor time so far, its children's included. */
  async processorMs(): Promise<number> {
    return sumOf(await Promise.all((await this.#pids()).map(processorMs)));
  }

  async #pids(): Promise<readonly number[]> {
    const children = await readFile(`/proc/${this.pid}/task/${this.pid}/children`, "utf8");
    return [this.pid, ...children.split(" ").filter(Boolean).map(Number)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const ended = once(this.#process, "exit");
    this.#process.kill("SIGTERM");
    const killer = setTimeout(() => this.#process.kill("SIGKILL"), 5_000);
    await ended;
    clearTimeout(killer);
  }
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024;
}

const tickMs = 10; // what /proc counts in: 100 a second on every Linux of today

/** @see proc_pid_stat(5): fields 14 and 15, counted behind the name, which may hold blanks */
async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) * tickMs;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Runs a load generator on the other core. @returns what it printed, also where it had to be ended
 * @param lastWords it has said all once this matches: calidns hangs at times after that */
export async function runLoad(program: string, args: readonly string[], lastWords?: RegExp): Promise<string> {
  const load = spawn("taskset", ["-c", String(loadCore), program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(load, "exit");
  let printed = "";
  const read = (chunk: Buffer) => {
    printed += chunk.toString();
    if (lastWords?.test(printed)) load.kill("SIGKILL");
  };
  load.stdout.on("data", read);
  load.stderr.on("data", read);
  const limit = setTimeout(() => load.kill("SIGKILL"), loadSecondsMax * 1_000);
  const [code, signal] = (await ended) as [number | null, string | null];
  clearTimeout(limit);
  if (code !== 0 && signal === null) throw new Error(`${program} ended with ${code}: ${printed.slice(-1_000)}`);
  return printed;
}
