// Writes docker-compose.yml and what it mounts from the topology. --check: says whether they are up to date.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { loadConfig } from "#shared/config/load.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { UsageError, codeOf } from "#shared/core/error.ts";
import { composeFile, resolvConf } from "./compose-file.ts";
import { prometheusTargets } from "./compose-observability.ts";
import { postgresForwarderConfigs } from "./compose-postgres.ts";

const root = new URL("../../", import.meta.url);

/** Every file that is made from the topology: path in the repository → text. */
export function composeDocuments(): ReadonlyMap<string, string> {
  const topology = loadConfig(new URL("infra/topology.yaml", root).pathname, topologySchema);
  return new Map([
    ["docker-compose.yml", composeFile(topology)],
    ["infra/docker/resolv.conf", resolvConf(topology)],
    ["infra/prometheus/nodes.yml", prometheusTargets(topology)],
    ...postgresForwarderConfigs(topology),
  ]);
}

/** Those of them that no longer say what the topology says. */
export function staleComposeDocuments(): string[] {
  return Array.from(composeDocuments(), ([path, text]) => (textOf(path) === text ? [] : [path])).flat();
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, root), "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function main(argv: readonly string[]): number {
  try {
    if (argv.includes("--check")) {
      const stale = staleComposeDocuments();
      for (const path of stale) process.stderr.write(`${path} is out of date: run npm run compose\n`);
      return stale.length > 0 ? 1 : 0;
    }
    mkdirSync(new URL("infra/docker/postgres", root), { recursive: true });
    for (const [path, text] of composeDocuments()) writeFileSync(new URL(path, root), text);
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

if (import.meta.main) process.exitCode = main(process.argv.slice(2));
