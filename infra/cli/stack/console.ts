import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { compileCacheDir, logFile, projectDir } from "./state.ts";
import { lastLines } from "./spawn.ts";

const startLimitMs = 30_000; // the first time its page is built
const endLimitMs = 2_000;

/** The web console of a stack that is up. */
export interface RunningConsole extends AsyncDisposable {
  /** What to open in a browser. */
  readonly url: string;
}

export interface ConsoleOptions {
  readonly stateDir: string;
  /** --topology FILE, and --scale NAME where one is chosen. */
  readonly arguments: readonly string[];
  /** "address:port" */
  readonly listen: string;
}

/** Starts the web console, which ends with this process.
 * @returns it, or why it does not run: the stack goes on without it */
export async function startConsole({
  stateDir,
  arguments: words,
  listen,
}: ConsoleOptions): Promise<RunningConsole | string> {
  const file = logFile(stateDir, "console");
  const log = fs.openSync(file, "w");
  const child = spawn(
    process.execPath,
    [
      path.join(projectDir, "services/console/main.ts"),
      ...words,
      "--listen",
      listen,
      "--cache",
      path.join(stateDir, "console"),
    ],
    {
      cwd: projectDir,
      stdio: ["ignore", "pipe", log, "ipc"],
      detached: true, // of its own session: the terminal's Ctrl-C reaches the launcher alone
      env: { ...process.env, NODE_COMPILE_CACHE: compileCacheDir(stateDir, "console"), WATERSHED_STATE_DIR: stateDir },
    },
  );
  fs.closeSync(log);
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const started = new Promise<string>((resolve) => {
    let said = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-1_024);
      const url = /^console: (\S+)$/m.exec(said)?.[1];
      if (url !== undefined) resolve(url);
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), startLimitMs);
  });
  const url = await Promise.race([started, ended.then(() => undefined), late]);
  clearTimeout(timer);
  if (url === undefined) {
    child.kill("SIGKILL");
    return (
      lastLines(file, 1)
        .join("")
        .replace(/^error: /, "") || `it did not start in ${startLimitMs / 1_000} s`
    );
  }
  return {
    url,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      const kill = setTimeout(() => child.kill("SIGKILL"), endLimitMs);
      await ended;
      clearTimeout(kill);
    },
  };
}
