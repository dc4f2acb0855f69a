import { spawn } from "node:child_process";
import path from "node:path";
import { z } from "zod";
import type { ZodType } from "zod";
import { loadConfig, validate } from "#shared/config/load.ts";
import { suggest } from "#shared/config/nearest.ts";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { l7RouterSchema } from "#shared/config/schema/l7-router.ts";
import { originSchema } from "#shared/config/schema/origin.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { UsageError } from "#shared/core/error.ts";
import { applyScale, configOf, nodesOf } from "#shared/topology/topology.ts";
import type { ServiceName } from "#shared/topology/topology.ts";
import { defaultTopology } from "../stack/choose.ts";
import { programOf } from "../stack/spawn.ts";
import { example, shownPath } from "./command.ts";
import type { AddCommand } from "./command.ts";

export const addCheck: AddCommand = (program, exitWith) => {
  const command = program
    .command("check")
    .description("validates a config file of any service, or a topology, and says everything that is wrong with it")
    .argument("<file>", "the file (YAML)")
    .option("--service <name>", `what the file is: ${Object.keys(kinds).join(", ")}; default: told by its name or keys`)
    .action(async (file: string, options: { service?: string }) => {
      const { kind, told } = check(file, options.service);
      const code = namesFiles.has(kind) ? await checkByService(kind, file) : 0;
      if (code === 0) process.stdout.write(`${told}\n`);
      exitWith(code);
    });
  example(command, `check ${shownPath(defaultTopology)}`);
};

/** What a file can be: who checks it, and keys that tell it. A file is the first kind of which it has a key. */
const kinds = {
  topology: { check: checkTopology, keys: ["dnsZone", "nameServers", "testClients", "scales"] },
  geodns: {
    check: counting(geodnsSchema, (config) => [
      [Object.keys(config.dnsZones).length, "DNS zone"],
      [Object.keys(config.services).length, "service"],
      [Object.keys(config.regions).length, "region"],
    ]),
    keys: ["dnsZones", "listen", "steering"],
  },
  origin: {
    check: counting(originSchema, (config) => [[config.servers.length, "server"]]),
    keys: ["servers", "replicas"],
  },
  "l7-router": {
    check: counting(l7RouterSchema, (config) => [
      [config.routes.length, "route"],
      [Object.keys(config.pools).length, "pool"],
    ]),
    keys: ["routes", "engine", "trustedProxies"],
  },
  "l4-forwarder": {
    check: counting(l4ForwarderSchema, (config) => [
      [config.listeners.length, "listener"],
      [Object.keys(config.pools).length, "pool"],
    ]),
    keys: ["listeners", "pools", "mode"],
  },
} as const satisfies Record<string, { check: (file: string) => string; keys: readonly string[] }>;

type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds).filter(isKind);

/** Services that look into every file that their config names, such as zone files and keys. */
const namesFiles: ReadonlySet<Kind> = new Set(["geodns"]);

/** Told by the service itself, on standard error: what it would refuse, and what is odd.
 * @returns its exit code; 1 where a signal ended it */
function checkByService(service: Kind, file: string): Promise<number> {
  const child = spawn(process.execPath, [programOf(service), "--config", file, "--check"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

/** @returns "FILE: ok (l7-router: 6 routes, 5 pools)"
 * @throws {UsageError} with everything that is wrong */
export function check(file: string, service: string | undefined): { readonly kind: Kind; readonly told: string } {
  if (service !== undefined && !isKind(service))
    throw new UsageError(`there is no service "${service}"${suggest(service, kindNames)}`);
  const kind = service ?? kindOfName(path.basename(file)) ?? kindOfKeys(file);
  return { kind, told: `${file}: ok (${kind}: ${kinds[kind].check(file)})` };
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text);
}

/** "geodns.yaml", "my.l7-router.yml" */
function kindOfName(name: string): Kind | undefined {
  return kindNames.find((kind) => name.includes(kind));
}

function kindOfKeys(file: string): Kind {
  const present = loadConfig(file, z.record(z.string(), z.unknown()));
  const found = kindNames.find((kind) => kinds[kind].keys.some((key) => Object.hasOwn(present, key)));
  if (found) return found;
  throw new UsageError(`${file}: nothing tells what this is: say --service ${kindNames.join("|")}`);
}

function counting<T>(schema: ZodType<T>, countsOf: (config: T) => readonly (readonly [number, string])[]) {
  return (file: string) => countText(countsOf(loadConfig(file, schema)));
}

/** The same as each service does when it is started as a node of a topology. */
const validateNode = {
  geodns: (config: unknown, name: string) => void validate(config, name, geodnsSchema),
  "l7-router": (config: unknown, name: string) => void validate(config, name, l7RouterSchema),
  "l4-forwarder": (config: unknown, name: string) => void validate(config, name, l4ForwarderSchema),
  origin: (config: unknown, name: string) => void validate(config, name, originSchema),
} as const satisfies Record<ServiceName, unknown>;

/** A topology is right if the config of each of its nodes is, at every scale. */
function checkTopology(file: string): string {
  const topology = loadConfig(file, topologySchema);
  for (const scale of [undefined, ...Object.keys(topology.scales)]) {
    const scaled = applyScale(topology, scale);
    for (const { name } of nodesOf(scaled)) {
      const { service, config } = configOf(scaled, name);
      validateNode[service](config, `${file} (${name}${scale === undefined ? "" : `, --scale ${scale}`})`);
    }
  }
  return countText([
    [Object.keys(topology.regions).length, "region"],
    [nodesOf(topology).length, "node"],
  ]);
}

function countText(counts: readonly (readonly [number, string])[]): string {
  return counts.map(([count, what]) => `${count} ${what}${count === 1 ? "" : "s"}`).join(", ");
}
