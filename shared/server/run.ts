import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { ConfigError, loadConfig, validate } from "#shared/config/load.ts";
import { keepOrigin, locateIn } from "#shared/config/origin.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
import { applyScale, configOf, planNames } from "#shared/topology/topology.ts";
import type { PlanName } from "#shared/topology/topology.ts";
import { createHost } from "./host.ts";
import { Lifecycle } from "./lifecycle.ts";
import type { NodeConfig, ServiceDefinition } from "./service.ts";
import { watchFile } from "./watch.ts";
import { isWorker, runWorker } from "./worker.ts";
import { Workers, workerCount } from "./workers.ts";

interface Options {
  readonly config?: string;
  readonly topology?: string;
  readonly node?: string;
  readonly scale?: string;
  readonly plan?: PlanName;
  readonly check?: boolean;
  readonly watch?: boolean;
}

/** The main of every service: reads the config, starts, serves the admin API, ends on a signal.
 * Exit codes: 0 clean stop, 1 runtime failure, 2 bad usage or config. */
export async function runService<Config extends NodeConfig>(
  definition: ServiceDefinition<Config>,
  argv: readonly string[],
): Promise<void> {
  if (isWorker()) return runWorker(definition);
  try {
    const options = parseOptions(definition.name, argv);
    const read = () => readConfig(definition, options);
    const config = read();
    if (options.check) {
      for (const odd of (await definition.check?.(config)) ?? []) process.stderr.write(`${odd}\n`);
      process.stdout.write(`${options.config ?? options.topology}: ok\n`);
      return;
    }
    const count = workerCount(config);
    const host = createHost(definition.name, config, count > 1 ? "first" : undefined);
    const workers = count > 1 ? new Workers<Config>(count - 1, host) : undefined;
    const lifecycle = new Lifecycle(definition, host, read, workers);
    lifecycle.obeySignals();
    if (options.watch) watchAll(options.config ?? options.topology ?? "", lifecycle);
    await lifecycle.start(config);
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2);
    const usage = error instanceof UsageError;
    const prefix = error instanceof ConfigError ? "" : "error: "; // Problems of a file begin with their place in it.
    process.stderr.write(
      `${usage ? prefix + error.message : error instanceof Error ? error.stack : messageOf(error)}\n`,
    );
    process.exit(usage ? 2 : 1);
  }
}

/** The config, and the files that it is made of as it stands: both may change with every reload. */
function watchAll<Config extends NodeConfig>(config: string, lifecycle: Lifecycle<Config>): void {
  const watched = new Map<string, { close(): void }>();
  const watch = (toMend: readonly string[] = []) => {
    const files = new Set([config, ...lifecycle.files, ...toMend.filter((file) => existsSync(dirname(file)))]);
    for (const [file, watcher] of watched) {
      if (files.has(file)) continue;
      watcher.close();
      watched.delete(file);
    }
    for (const file of files)
      if (!watched.has(file))
        watched.set(
          file,
          watchFile(file, () => void lifecycle.tryReload()),
        );
  };
  watch();
  lifecycle.onConfigured = watch;
}

function parseOptions(service: string, argv: readonly string[]): Options {
  const command = new Command(`watershed run ${service}`)
    .description(`Runs one ${service} from its own config file, or as a node of a topology.`)
    .option("--config <file>", "config of this service (YAML)")
    .option("--topology <file>", "topology to derive the config from; needs --node")
    .option("--node <name>", "name of the node in the topology")
    .option("--scale <name>", "scale of the topology")
    .addOption(new Option("--plan <name>", "where the topology lives; default: loopback").choices(planNames))
    .option("--check", "validate the config and exit")
    .option("--watch", "reload when the file changes, or one that it is made of")
    .allowExcessArguments(false)
    .exitOverride();
  const options = command.parse(argv, { from: "user" }).opts<Options>();
  if (!options.config === !options.topology)
    throw new UsageError("give either --config FILE or --topology FILE --node NAME");
  if (options.topology && !options.node) throw new UsageError("--topology needs --node NAME");
  if (options.config && (options.node || options.scale || options.plan))
    throw new UsageError("--node, --scale and --plan go with --topology");
  return options;
}

function readConfig<Config extends NodeConfig>(definition: ServiceDefinition<Config>, options: Options): Config {
  if (options.config) return loadConfig(options.config, definition.schema);
  const written = loadConfig(options.topology ?? "", topologySchema);
  const topology = applyScale(written, options.scale);
  const { service, config } = configOf(topology, options.node ?? "", options.plan);
  if (service !== definition.name) throw new UsageError(`node ${options.node} runs ${service}, not ${definition.name}`);
  const validated = validate(config, `${options.topology} (${options.node})`, definition.schema);
  const [locate, locateDerived] = [locateIn(written), locateIn(validated)];
  // The one part that a topology hands on as it is, and that names files.
  keepOrigin(validated, () => (path) => (path[0] === "geo" ? locate(path) : locateDerived(path)));
  return validated;
}
