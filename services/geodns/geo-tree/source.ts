import { Worker } from "node:worker_threads";
import { ConfigError, unmet } from "#shared/config/error.ts";
import type { Problem } from "#shared/config/error.ts";
import type { Locate } from "#shared/config/origin.ts";
import { UsageError } from "#shared/core/error.ts";
import type { GeoConfig } from "#shared/config/schema/common.ts";
import { DatabaseError, databaseVersion, openDatabase } from "#shared/geo/database.ts";
import { geoOf } from "#shared/geo/geo.ts";
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

/** Databases that were opened, and where clients are by them. */
export interface OpenedGeo {
  readonly geo: Geo;
  /** Differs whenever the databases do, or what the config lays over them. */
  readonly key: string;
}

let lastOpened: OpenedGeo | undefined;
let last: { readonly key: string; readonly parts: GeoParts } | undefined;

/** Opens the databases of a config. Those that were opened last are used again: most reloads change nothing of them.
 * @throws {ConfigError} with each that cannot be used */
export async function openGeo(config: GeoConfig, locate: Locate): Promise<OpenedGeo> {
  const { database, asnDatabase, networks } = config;
  const problems: Problem[] = [];
  const attempt = async <T>(opened: Promise<T>): Promise<T | undefined> => {
    try {
      return await opened;
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      problems.push(unmet(locate(["geo", error.key]), error.parts));
      return undefined;
    }
  };
  const versions = [
    await attempt(databaseVersion(database)),
    asnDatabase === undefined ? undefined : await attempt(databaseVersion(asnDatabase, "asnDatabase")),
  ];
  const key = JSON.stringify([config, versions]);
  if (problems.length === 0 && lastOpened?.key === key) return lastOpened;
  const main = versions[0] === undefined ? undefined : await attempt(openDatabase(database));
  const asns = versions[1] === undefined ? undefined : await attempt(openDatabase(asnDatabase ?? "", "asnDatabase"));
  if (problems.length > 0 || !main) throw new ConfigError(problems);
  lastOpened = { geo: geoOf(main, networks, asns), key };
  return lastOpened;
}

/** Compiles what was opened. What was made last is used again where the steering is the same too.
 * @throws {UsageError} if the database cannot be used */
export async function geoPartsOf(opened: OpenedGeo, { geo: config, rules }: TreeSource): Promise<GeoParts> {
  const { regions, steering } = rules;
  const key = JSON.stringify([opened.key, regions, steering]);
  if (last?.key === key) return last.parts;
  const compiled = await compileInThread({ geo: config, rules: { regions, steering } });
  const { lists, networks } = compiled;
  const parts = { geo: opened.geo, tree: new PrefixTree(compiled), lists, networks };
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
