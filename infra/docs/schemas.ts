import { readFileSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { ZodType } from "zod";
import { geoSchema, healthSchema, nodeKeys, poolSchema, retriesSchema } from "#shared/config/schema/common.ts";
import { bindingSchema, recordsSchema } from "#shared/config/schema/dns-zone.ts";
import { geodnsSchema } from "#shared/config/schema/geodns.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import { l7RouterSchema, matchSchema } from "#shared/config/schema/l7-router.ts";
import { originSchema } from "#shared/config/schema/origin.ts";
import { headerEditsSchema } from "#shared/config/schema/route-actions.ts";
import { steeringSchema } from "#shared/config/schema/steering.ts";
import { topologySchema } from "#shared/config/schema/topology.ts";
import { keysOfConfig } from "./config-keys.ts";
import type { ConfigKey, SharedPart } from "./config-keys.ts";
import { markdownTable } from "./markdown.ts";

/** The configs that people write, by the name of their file. */
export const configSchemas: Readonly<Record<string, ZodType>> = {
  geodns: geodnsSchema,
  "l7-router": l7RouterSchema,
  "l4-forwarder": l4ForwarderSchema,
  origin: originSchema,
  topology: topologySchema,
};

/** Told under their own heading in docs/configuration.md. */
const parts: readonly SharedPart[] = [
  { heading: "Pool", schema: poolSchema },
  { heading: "Health check", schema: healthSchema },
  { heading: "Retries", schema: retriesSchema },
  { heading: "Match", schema: matchSchema },
  { heading: "Header edits", schema: headerEditsSchema },
  { heading: "Steering", schema: steeringSchema },
  { heading: "Geo", schema: geoSchema },
  { heading: "Records", schema: recordsSchema },
  { heading: "Binding", schema: bindingSchema },
];

const root = new URL("../../", import.meta.url);

/** Every document that is made from the config schemas: path in the repository → text. */
export function schemaDocuments(): ReadonlyMap<string, string> {
  const schemas = Object.entries(configSchemas).map(
    ([name, schema]) => [`docs/schema/${name}.json`, jsonSchema(name, schema)] as const,
  );
  const guide = "docs/configuration.md";
  return new Map([...schemas, [guide, withTables(readFileSync(new URL(guide, root), "utf8"))]]);
}

/** Those of them that no longer say what the schemas say. */
export function staleDocuments(): string[] {
  return Array.from(schemaDocuments(), ([path, text]) => (isCurrent(path, text) ? [] : [path])).flat();
}

function isCurrent(path: string, text: string): boolean {
  try {
    return readFileSync(new URL(path, root), "utf8") === text;
  } catch {
    return false;
  }
}

/** Forms that a refinement checks, for editors: JSON Schema cannot say a refinement. */
const patternOf: Readonly<Record<string, string>> = {
  duration: String.raw`^\d+(\.\d+)?(ms|s|m|h|d)$`,
  size: String.raw`^\d+(\.\d+)?(B|KiB|MiB|GiB|kB|MB|GB)$`,
  "address:port": String.raw`^(\d+\.\d+\.\d+\.\d+|\[[0-9A-Fa-f:.]+\]):\d{1,5}$`,
};

/** JSON Schema of draft 7, which every YAML editor knows. */
function jsonSchema(name: string, schema: ZodType): string {
  const json = z.toJSONSchema(schema, {
    io: "input",
    target: "draft-7",
    override({ jsonSchema: part }) {
      const pattern = part.title === undefined ? undefined : patternOf[part.title];
      if (pattern !== undefined) part.pattern = pattern;
      if (part.format === "starts_with") delete part.format; // its pattern says it
    },
  });
  const { $schema, ...rest } = json;
  const head = { $schema, $id: `https://watershed.invalid/schema/${name}.json`, title: `${name}.yaml of Watershed` };
  return `${JSON.stringify({ ...head, ...rest }, null, 2)}\n`;
}

/** The guide with every table between `<!-- keys: NAME -->` and `<!-- end of keys -->` made anew. */
function withTables(guide: string): string {
  return guide.replaceAll(
    /(<!-- keys: ([\w -]+) -->\n)[^]*?(<!-- end of keys -->)/g,
    (_, begin: string, name: string, end: string) => `${begin}\n${tableOf(keysNamed(name))}\n${end}`,
  );
}

/** @throws {Error} if the guide asks for keys that there are none of */
export function keysNamed(name: string): readonly ConfigKey[] {
  if (name === "every service") return keysOfConfig(z.strictObject(nodeKeys), parts);
  const part = parts.find(({ heading }) => heading.toLowerCase() === name);
  if (part)
    return keysOfConfig(
      part.schema,
      parts.filter((other) => other !== part),
    );
  const schema = configSchemas[name];
  if (!schema) throw new Error(`docs/configuration.md asks for the keys of "${name}"`);
  return keysOfConfig(schema, parts).filter(({ path }) => !isNodeKey(name, path));
}

/** Keys that every service has stand in their own table; topology.yaml has a `drain` of its own. */
function isNodeKey(name: string, path: string): boolean {
  return name !== "topology" && Object.hasOwn(nodeKeys, path.split(".")[0] ?? "");
}

function tableOf(keys: readonly ConfigKey[]): string {
  const rows = keys.map(({ path, type, fallback, meaning }) => [`\`${path}\``, type, fallback, meaning]);
  return markdownTable([["key", "type", "default", "meaning"], ...rows]);
}

function main(argv: readonly string[]): void {
  const stale = staleDocuments();
  if (argv.includes("--check")) {
    for (const path of stale) process.stderr.write(`${path} is out of date: run node infra/docs/schemas.ts\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
    return;
  }
  for (const [path, text] of schemaDocuments()) writeFileSync(new URL(path, root), text);
}

if (import.meta.main) main(process.argv.slice(2));
