import { spawn } from "node:child_process";
import fs from "node:fs";
import { once } from "node:events";
import { programOf } from "./spawn.ts";
import type { SpawnOptions } from "./spawn.ts";
import { compileCacheDir } from "./state.ts";
import type { Tier } from "./tiers.ts";

/** Whether this Node has compiled these services here before: it keeps its files in a folder that begins with its version. */
export function isCompiled(tiers: readonly Tier[], stateDir: string): boolean {
  return tiers.every(({ nodes: [first] }) => {
    const dir = first && compileCacheDir(stateDir, first.service);
    return !dir || (fs.existsSync(dir) && fs.readdirSync(dir).some((name) => name.startsWith(process.version)));
  });
}

/** Compiles each service once, by letting it check its config. Otherwise every process would compile the same on its own,
 * and all of them would write the same files when they end, which took longer than they have for that.
 * What fails here is not looked at: it fails again, and is told, when the node is started. */
export async function compileServices(
  tiers: readonly Tier[],
  options: SpawnOptions,
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    tiers.map(async ({ nodes: [first] }) => {
      if (!first) return;
      const child = spawn(
        process.execPath,
        [programOf(first.service), ...options.arguments, "--node", first.name, "--check"],
        {
          stdio: "ignore",
          signal,
          env: { ...process.env, NODE_COMPILE_CACHE: compileCacheDir(options.stateDir, first.service) },
        },
      );
      await once(child, "exit").catch(() => {});
    }),
  );
}
