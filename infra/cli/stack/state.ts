import fs from "node:fs";
import path from "node:path";
import { z } from "zod";
import { UsageError, codeOf } from "#shared/core/error.ts";

/** The folder of package.json. */
export const projectDir = path.resolve(import.meta.dirname, "../../..");

const runSchema = z.object({
  launcherPid: z.int().min(1),
  startedAt: z.string(),
  topology: z.string().describe("absolute path"),
  scale: z.string().nullable(),
  nodes: z.array(z.object({ name: z.string(), service: z.string(), pid: z.int().min(1), admin: z.string() })),
});

/** The stack that is up here, as the file run.json says. */
export type Run = z.output<typeof runSchema>;
export type RunNode = Run["nodes"][number];

/** Where the launcher keeps its files: WATERSHED_STATE_DIR, or .watershed beside package.json. */
export function stateDir(): string {
  return path.resolve(process.env["WATERSHED_STATE_DIR"] || path.join(projectDir, ".watershed"));
}

export const runFile = (dir: string): string => path.join(dir, "run.json");
const containersFile = (dir: string): string => path.join(dir, "containers.json");
/** Where the launcher takes commands. */
export const controlFile = (dir: string): string => path.join(dir, "control.sock");
/** Of a service, each its own: what is compiled under other flags of V8, as a name server sets them, is compiled and written anew. */
export const compileCacheDir = (dir: string, service: string): string => path.join(dir, "compile-cache", service);
export const logFile = (dir: string, node: string): string =>
  path.join(dir, "logs", `${node.replaceAll("/", "-")}.log`);

/** Where a name server keeps what operators have set, until the stack ends. */
export const overridesFile = (dir: string, node: string): string =>
  path.join(dir, `overrides-${node.replaceAll("/", "-")}.yaml`);

/** @returns undefined if nothing runs; a file that cannot be read as one counts as nothing */
export function readRun(dir: string): Run | undefined {
  let text: string;
  try {
    text = fs.readFileSync(runFile(dir), "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return runSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Writes run.json where there is none. Two launchers at the same moment: one of them gets it.
 * @throws {UsageError} if there is one */
export function claimRun(dir: string, run: Run): void {
  fs.mkdirSync(path.join(dir, "logs"), { recursive: true });
  try {
    fs.writeFileSync(runFile(dir), JSON.stringify(run), { flag: "wx" });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    throw new UsageError("another stack has just been started here");
  }
}

/** Replaces run.json in one step: whoever reads sees the old or the new one, never a part. */
export function writeRun(dir: string, run: Run): void {
  const temporary = `${runFile(dir)}.${process.pid}`;
  fs.writeFileSync(temporary, JSON.stringify(run));
  fs.renameSync(temporary, runFile(dir));
}

export function removeRun(dir: string): void {
  for (const file of [runFile(dir), controlFile(dir)]) fs.rmSync(file, { force: true });
}

/** Remembers that the stack was brought up in containers from here, so that the other commands are about them. */
export function rememberContainers(dir: string): void {
  fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(containersFile(dir), JSON.stringify({ startedAt: new Date().toISOString() }));
}

export function remembersContainers(dir: string): boolean {
  return fs.existsSync(containersFile(dir));
}

export function forgetContainers(dir: string): void {
  fs.rmSync(containersFile(dir), { force: true });
}

/** Whether the launcher of a run still lives. Its pid may belong to another process by now, so its command is looked at. */
export function launcherLives(run: Run): boolean {
  return commandOf(run.launcherPid).some((word) => word.endsWith(path.join("infra", "cli", "main.ts")));
}

/** The nodes of a run whose process still lives and is that node. */
export function livingNodes(run: Run): RunNode[] {
  return run.nodes.filter((node) => {
    const command = commandOf(node.pid);
    const at = command.indexOf("--node");
    return at >= 0 && command[at + 1] === node.name;
  });
}

/** Whether a process is held by SIGSTOP. */
export function isPaused(pid: number): boolean {
  try {
    // "PID (COMMAND) STATE ...": the command may hold anything, so the last parenthesis counts. See proc_pid_stat(5).
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).startsWith("T");
  } catch {
    return false;
  }
}

/** Words of the command of a process; none if it is gone. */
export function commandOf(pid: number): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // ENOENT: no such process; ESRCH: it has just ended
  }
}
