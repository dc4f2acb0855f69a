import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readFileSync } from "node:fs";
import { profiles } from "../../infra/docker/compose-parts.ts";
import { run } from "../../infra/docker/engine.ts";

const root = path.resolve(import.meta.dirname, "../..");
const limitMs = 30_000;

/** Every Compose that may be here. `WATERSHED_COMPOSE_2` names a binary of version 2 that is not installed. */
const commands: readonly (readonly string[])[] = [
  ["docker-compose"],
  ["docker", "compose"],
  ...(process.env["WATERSHED_COMPOSE_2"] ? [[process.env["WATERSHED_COMPOSE_2"]]] : []),
];

async function versionOf([command = "", ...args]: readonly string[]): Promise<string | undefined> {
  const output = await run(command, [...args, "version", "--short"], { limitMs }).catch(() => undefined);
  return output?.code === 0 ? output.stdout.trim().replace(/^v/, "") : undefined;
}
const found = await Promise.all(commands.map(async (command) => ({ command, version: await versionOf(command) })));

const { services } = parse(readFileSync(path.join(root, "docker-compose.yml"), "utf8"), {
  merge: true,
  maxAliasCount: -1,
}) as { services: Record<string, { profiles?: string[] }> };
const servicesOf = (profile: string) =>
  Object.keys(services).filter((name) => services[name]?.profiles?.includes(profile) ?? true);

describe.each(["1.29", "2"])("Compose %s (skipped where it is not installed)", (wanted) => {
  const compose = found.find(({ version }) => version === wanted || version?.startsWith(`${wanted}.`));

  it.skipIf(!compose).each(["", ...profiles])("accepts docker-compose.yml with the profile %j", async (profile) => {
    const [command = "", ...args] = compose!.command;
    const chosen = profile === "" ? [] : ["--profile", profile];
    const output = await run(command, [...args, ...chosen, "config", "--services"], { limitMs, cwd: root });
    expect(output.code, output.all).toBe(0);
    expect(output.all, "no warning").toBe(output.stdout);
    // Version 1 lists those of every profile.
    const listed = wanted === "2" ? servicesOf(profile) : Object.keys(services);
    expect(output.stdout.trim().split("\n").toSorted()).toEqual(listed.toSorted());
  });
});
