import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import path from "node:path";
import { messageOf } from "#shared/core/error.ts";
import { composeCommand, engineVersion, run } from "../../infra/docker/engine.ts";

const commandLimitMs = 60_000; // a stop takes up to 30 s
const probeLimitMs = 10_000;

/** Why container tests cannot run here, in one line; undefined if they can. */
export async function whyNoContainers(): Promise<string | undefined> {
  try {
    await engineVersion();
    await composeCommand();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Runs docker to its end.
 * @returns its standard output, without the last line break
 * @throws {Error} with what it said, if it fails */
export async function docker(...args: readonly string[]): Promise<string> {
  const output = await run("docker", args, { limitMs: commandLimitMs });
  if (output.code !== 0) throw new Error(`docker ${args.join(" ")}: ${output.code}\n${output.all}`);
  return output.stdout.trimEnd();
}

/** Removes every container, network and volume with a label, whatever became of them. */
export async function removeLabelled(label: string): Promise<void> {
  const filter = ["--filter", `label=${label}`];
  const paused = await list("ps", ...filter, "--filter", "status=paused", "--quiet");
  if (paused.length > 0) await docker("unpause", ...paused); // A paused one cannot be killed.
  const containers = await list("ps", "--all", ...filter, "--quiet");
  await Promise.all(inShares(containers, 4).map((ids) => docker("rm", "--force", "--volumes", ...ids)));
  const networks = await list("network", "ls", ...filter, "--quiet");
  if (networks.length > 0) await docker("network", "rm", ...networks);
  const volumes = await list("volume", "ls", ...filter, "--quiet");
  if (volumes.length > 0) await docker("volume", "rm", ...volumes);
}

/** One word a line. */
async function list(...args: readonly string[]): Promise<string[]> {
  return (await docker(...args)).split("\n").filter((word) => word !== "");
}

/** Deals a list out to so many, none of them empty-handed. */
function inShares<T>(all: readonly T[], shares: number): T[][] {
  const dealt = Array.from({ length: shares }, (_, share) => all.filter((_, i) => i % shares === share));
  return dealt.filter((share) => share.length > 0);
}

/** `docker compose` for whoever knows no other Compose, where there is only docker-compose 1.29: a plugin in a config
 * folder of its own, which lasts as long as what is returned. Where the plugin of version 2 is there, nothing is done. */
export async function composePlugin(): Promise<AsyncDisposable> {
  const { code } = await run("docker", ["compose", "version"], { limitMs: probeLimitMs });
  if (code === 0) return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const before = process.env["DOCKER_CONFIG"];
  const folder = await mkdtemp(path.join(tmpdir(), "watershed-docker-"));
  await mkdir(path.join(folder, "cli-plugins"));
  await writeFile(path.join(folder, "cli-plugins/docker-compose"), plugin, { mode: 0o755 });
  const logins = await readFile(path.join(before ?? path.join(homedir(), ".docker"), "config.json")).catch(() => "{}");
  await writeFile(path.join(folder, "config.json"), logins, { mode: 0o600 });
  process.env["DOCKER_CONFIG"] = folder;
  return {
    async [Symbol.asyncDispose]() {
      if (before === undefined) delete process.env["DOCKER_CONFIG"];
      else process.env["DOCKER_CONFIG"] = before;
      await rm(folder, { recursive: true });
    },
  };
}

/** What docker asks of a plugin, and how it calls one: with the plugin's own name as the first word. */
const plugin = `#!/bin/sh
if [ "$1" = docker-cli-plugin-metadata ]; then
  echo '{"SchemaVersion": "0.1.0", "Vendor": "watershed tests", "Version": "1.29", "ShortDescription": "Compose 1"}'
  exit 0
fi
shift
exec docker-compose "$@"
`;
