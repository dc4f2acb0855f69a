import { spawn } from "node:child_process";
import { UsageError, messageOf } from "#shared/core/error.ts";

export interface Output {
  /** Null where it was ended by a signal: the limit was reached. */
  readonly code: number | null;
  readonly stdout: string;
  /** Both streams as they came: what went wrong is in one of them. */
  readonly all: string;
}

const outputBytesMax = 16 * 1_048_576; // a build says some hundred KiB

/** Runs a command to its end, without a shell.
 * @throws {UsageError} if there is no such command */
export function run(
  command: string,
  args: readonly string[],
  options: { readonly limitMs: number; readonly cwd?: string },
): Promise<Output> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, timeout: options.limitMs, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let all = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (stdout.length < outputBytesMax) stdout += text;
    });
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => (all = (all + text).slice(-outputBytesMax)));
    child.on("error", (error) => reject(new UsageError(`cannot run ${command}: ${messageOf(error)}`)));
    child.on("close", (code) => resolve({ code, stdout, all }));
  });
}

const answerLimitMs = 10_000;

/** Runs docker quickly, for an answer of a few lines. */
export async function askDocker(...args: readonly string[]): Promise<Output> {
  return run("docker", args, { limitMs: answerLimitMs });
}

/** Version of the engine that answers.
 * @throws {UsageError} saying how to get one, if none does */
export async function engineVersion(): Promise<string> {
  let output: Output;
  try {
    output = await askDocker("version", "--format", "{{.Server.Version}}");
  } catch {
    throw new UsageError("there is no docker command: install a Docker engine (Debian: apt-get install docker.io)");
  }
  if (output.code === 0) return output.stdout.trim();
  const why = output.all.trim().split("\n").at(-1) ?? "";
  throw new UsageError(`no Docker engine answers: start it (systemctl start docker, or dockerd): ${why}`);
}

const composeMin = [1, 29] as const; // depends_on: service_completed_successfully

/** The command of Compose here: `docker compose`, else `docker-compose`.
 * @throws {UsageError} if there is none, or only one older than 1.29 */
export async function composeCommand(): Promise<readonly [string, ...string[]]> {
  const commands = [["docker", "compose"] as const, ["docker-compose"] as const];
  let old: string | undefined;
  for (const [command, ...args] of commands) {
    const output = await run(command, [...args, "version", "--short"], { limitMs: answerLimitMs }).catch(
      () => undefined,
    );
    const version = output?.code === 0 ? output.stdout.trim() : undefined;
    if (version === undefined) continue;
    if (isNewEnough(version)) return [command, ...args];
    old ??= version;
  }
  const install = "install the Compose plugin (docker-compose-plugin) or docker-compose 1.29";
  throw new UsageError(old ? `Compose ${old} is too old: ${install}` : `there is no Docker Compose: ${install}`);
}

/** "1.29.2", "v2.24.5", "2.24.6+ds1" against 1.29. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return false;
  return Number(major) > composeMin[0] || (Number(major) === composeMin[0] && Number(minor) >= composeMin[1]);
}
