import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { compileCacheDir, logFile, overridesFile, projectDir } from "./state.ts";

/** What the launcher needs of a node of the topology. */
export interface NodeToStart {
  readonly name: string;
  readonly service: string;
  /** "address:port" of its admin API. */
  readonly admin: string;
}

/** How a process ended: one of the two is set. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface StackProcess {
  readonly node: NodeToStart;
  readonly pid: number;
  readonly logFile: string;
  /** Undefined while it runs. */
  readonly exit: Exit | undefined;
  readonly exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
}

export interface SpawnOptions {
  readonly stateDir: string;
  /** Of every node: --topology FILE, and --scale NAME where one is chosen. */
  readonly arguments: readonly string[];
  /** Whether the log of the node goes on, and what operators have set, because it is started again; else both begin anew. */
  readonly keepLog?: boolean;
  /** The program of a service. */
  readonly programOf?: (service: string) => string;
}

/** Of this stack, and of each of its routers whenever it is started again. */
const stickySecret = randomBytes(32).toString("base64url");

export const programOf = (service: string): string => path.join(projectDir, "services", service, "main.ts");

/** Starts one node. Its output goes to its log file. It has an IPC channel to this process and ends itself when that
 * closes: a launcher killed with -9 leaves nobody behind. It leads its own session, so that the terminal's Ctrl-C reaches
 * the launcher alone, which then ends everybody in order. */
export function startNode(node: NodeToStart, options: SpawnOptions): StackProcess {
  const file = logFile(options.stateDir, node.name);
  const overrides = overridesFile(options.stateDir, node.name);
  if (!options.keepLog) fs.rmSync(overrides, { force: true });
  const log = fs.openSync(file, options.keepLog ? "a" : "w");
  let child: ChildProcess;
  try {
    child = spawn(
      process.execPath,
      [(options.programOf ?? programOf)(node.service), ...options.arguments, "--node", node.name],
      {
        cwd: projectDir,
        stdio: ["ignore", log, log, "ipc"],
        detached: true,
        env: {
          ...process.env,
          NODE_COMPILE_CACHE: compileCacheDir(options.stateDir, node.service),
          WATERSHED_OVERRIDES: overrides,
          WATERSHED_STICKY_SECRET: process.env["WATERSHED_STICKY_SECRET"] ?? stickySecret,
        },
      },
    );
  } finally {
    fs.closeSync(log);
  }
  return watchProcess(node, child, file);
}

/** A child whose output goes to this file, as a node that can be waited for and ended. */
export function watchProcess(node: NodeToStart, child: ChildProcess, file: string): StackProcess {
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      exit ??= { code, signal };
      resolve(exit);
    };
    child.on("exit", end);
    child.on("error", (error) => {
      if (child.pid !== undefined) return; // A signal or message that could not be delivered; it ends by itself.
      fs.appendFileSync(file, `${error.message}\n`);
      end(1, null);
    });
  });
  return {
    node,
    pid: child.pid ?? 0,
    logFile: file,
    get exit() {
      return exit;
    },
    exited,
    signal: (signal) => void child.kill(signal),
  };
}

/** How many of them have not ended. */
export function countRunning(processes: readonly StackProcess[]): number {
  return processes.filter((one) => !one.exit).length;
}

/** Stops processes quickly, all at once, and kills those that are still there after `limitMs`.
 * @returns the names of those that had to be killed */
export async function endAll(processes: readonly StackProcess[], limitMs: number): Promise<string[]> {
  const running = processes.filter((one) => !one.exit);
  for (const one of running) one.signal("SIGINT");
  const gone = Promise.all(running.map((one) => one.exited));
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([gone, limit]);
  clearTimeout(timer);
  const stragglers = running.filter((one) => !one.exit);
  for (const one of stragglers) one.signal("SIGKILL");
  await gone;
  return stragglers.map((one) => one.node.name);
}

const tailBytesMax = 65_536; // holds 15 long log lines

/** The last lines of a log file, oldest first. */
export function lastLines(file: string, count: number): string[] {
  const handle = fs.openSync(file, "r");
  try {
    const size = fs.fstatSync(handle).size;
    const bytes = Buffer.alloc(Math.min(size, tailBytesMax));
    fs.readSync(handle, bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString("utf8").trimEnd().split("\n").slice(-count);
  } finally {
    fs.closeSync(handle);
  }
}

/** "exited with 2", "was ended by SIGKILL" */
export function describeExit(exit: Exit): string {
  return exit.signal ? `was ended by ${exit.signal}` : `exited with ${exit.code}`;
}
