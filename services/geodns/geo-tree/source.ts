import { Worker } from "node:worker_threads";
import { UsageError } from "#shared/core/error.ts";
import type { GeoConfig } from "#shared/config/schema/common.ts";
import { databaseVersion } from "#shared/geo/database.ts";
import { createGeo } from "#shared/geo/geo.ts";
import type { Geo } from "#shared/geo/geo.ts";
import type { SteeringRules } from "../steer/regions.ts";
import type { CompiledGeo } from "./compile.ts";
import type { ThreadAnswer } from "./thread.ts";
import { PrefixTree } from "./tree.ts";

/** Everything that the tree depends on. */
export interface TreeSource {
  readonly geo: GeoConfig;
  readonly rules: SteeringRules;
}

/** Where clients are, for explain; and compiled with the steering rules, for answers. */
export interface GeoParts {
  readonly geo: Geo;
  readonly tree: PrefixTree;
  /** The region lists that the tree leads to. */
  readonly lists: CompiledGeo["lists"];
  /** Networks that the tree was made of. */
  readonly networks: number;
}

let last: { readonly key: string; readonly parts: GeoParts } | undefined;

/** Opens the database and compiles it. What was made last is used again: most reloads change nothing that it depends on.
 * @throws {UsageError} if the database cannot be used */
export async function geoPartsOf({ geo: config, rules: { regions, steering } }: TreeSource): Promise<GeoParts> {
  const files = [config.database, ...(config.asnDatabase === undefined ? [] : [config.asnDatabase])];
  const versions = await Promise.all(files.map((file) => databaseVersion(file)));
  const key = JSON.stringify([config, regions, steering, versions]);
  if (last?.key === key) return last.parts;
  const geo = await createGeo(config); // first: its errors name the file
  const compiled = await compileInThread({ geo: config, rules: { regions, steering } });
  const parts = { geo, tree: new PrefixTree(compiled), lists: compiled.lists, networks: compiled.networks };
  last = { key, parts };
  return parts;
}

async function compileInThread(source: TreeSource): Promise<CompiledGeo> {
  const worker = new Worker(new URL("./thread.ts", import.meta.url), { workerData: source });
  const answer = await new Promise<ThreadAnswer>((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the thread that compiles the geo tree ended with ${code}`)));
  });
  if ("error" in answer) throw new UsageError(answer.error);
  return answer.compiled;
}
