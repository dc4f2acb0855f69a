import { z } from "zod";
import { choicesOf, coreOf, describeSchema, layersOf } from "#shared/config/describe.ts";
import type { Schema } from "#shared/config/describe.ts";

/** One key of a config, as docs/configuration.md tells it. */
export interface ConfigKey {
  /** `pools.NAME.endpoints[].weight` */
  readonly path: string;
  readonly type: string;
  /** The default as YAML; "required", or "none". */
  readonly fallback: string;
  readonly meaning: string;
}

/** A schema that several configs share: told once, under its own heading. */
export interface SharedPart {
  readonly schema: Schema;
  readonly heading: string;
}

/** The keys of the mapping at a schema, each before the keys below it. */
export function keysOfConfig(schema: Schema, parts: readonly SharedPart[], prefix = ""): ConfigKey[] {
  const def = coreOf(schema)._zod.def;
  if (def.type !== "object") return [];
  return Object.entries(def.shape).flatMap(([key, value]) => rowsOf(prefix + key, value, parts));
}

function rowsOf(path: string, schema: Schema, parts: readonly SharedPart[]): ConfigKey[] {
  const { below, suffix } = contentOf(schema);
  const part = partOf(below, parts);
  const row = { path, type: typeOf(schema, parts), fallback: fallbackOf(schema), meaning: meaningOf(schema) };
  return [row, ...(part ? [] : keysOfConfig(below, parts, `${path}${suffix}.`))];
}

/** What a list or a mapping of free keys holds: `pools` → a pool, under `.NAME`. */
function contentOf(schema: Schema, suffix = ""): { below: Schema; suffix: string } {
  const def = coreOf(schema)._zod.def;
  if (def.type === "array") return contentOf(def.element, `${suffix}[]`);
  if (def.type === "record") return contentOf(def.valueType, `${suffix}.${placeholderOf(def.keyType)}`);
  return { below: schema, suffix };
}

function placeholderOf(keySchema: Schema): string {
  return (titleOf(keySchema) ?? "name").toUpperCase();
}

function typeOf(schema: Schema, parts: readonly SharedPart[]): string {
  const part = partOf(schema, parts);
  if (part) return `[${part.heading.toLowerCase()}](#${anchorOf(part.heading)})`;
  const title = titleOf(schema);
  if (title !== undefined) return title;
  const def = coreOf(schema)._zod.def;
  switch (def.type) {
    case "array":
      return `list of ${typeOf(def.element, parts)}`;
    case "record":
      return `${placeholderOf(def.keyType)} → ${typeOf(def.valueType, parts)}`;
    case "object":
      return "mapping";
    case "enum":
    case "literal":
      return (choicesOf(schema) ?? []).map((choice) => `\`${choice}\``).join(", ");
    case "union":
      return def.options.map((option) => typeOf(option, parts)).join(" or ");
    case "string":
      return "text";
    default:
      return describeSchema(schema).replace(/^an? /, "");
  }
}

function partOf(schema: Schema, parts: readonly SharedPart[]): SharedPart | undefined {
  const layers = layersOf(schema).flatMap((layer) => [layer, layer._zod.parent]); // describe() makes a child
  return parts.find((part) => layers.includes(part.schema));
}

const anchorOf = (heading: string) => heading.toLowerCase().replaceAll(" ", "-");

const metaOf = (schema: Schema) => layersOf(schema).map((layer) => z.globalRegistry.get(layer));
const titleOf = (schema: Schema) => metaOf(schema).find((meta) => meta?.title !== undefined)?.title;

/** The outermost description: what the key means here. */
function meaningOf(schema: Schema): string {
  return metaOf(schema).find((meta) => meta?.description !== undefined)?.description ?? "";
}

function fallbackOf(schema: Schema): string {
  for (const layer of layersOf(schema)) {
    const def = (layer as z.core.$ZodTypes)._zod.def;
    if (def.type === "optional") return "none";
    if (def.type !== "default" && def.type !== "prefault") continue;
    const isFilled = typeof def.defaultValue !== "object" || Object.keys(def.defaultValue ?? {}).length > 0;
    return isFilled
      ? `\`${flow(def.defaultValue)}\``
      : coreOf(schema)._zod.def.type === "object"
        ? "see below"
        : "empty";
  }
  return "required";
}

/** A value in the flow style of YAML; texts are plain words. */
function flow(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`);
  return `{ ${pairs.join(", ")} }`;
}
