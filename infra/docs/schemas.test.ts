import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ZodType } from "zod";
import { loadConfig, parseConfig } from "#shared/config/load.ts";
import { messageOf } from "#shared/core/error.ts";
import { configSchemas, keysNamed, schemaDocuments, staleDocuments } from "./schemas.ts";

const root = new URL("../../", import.meta.url);
const guide = readFileSync(new URL("docs/configuration.md", root), "utf8");
const tables = Array.from(guide.matchAll(/<!-- keys: ([\w -]+) -->/g), ([, name = ""]) => name);

it("docs/schema and docs/configuration.md say what the schemas say (node infra/docs/schemas.ts writes them)", () => {
  expect(staleDocuments()).toEqual([]);
});

it("the guide has a table of every config", () => {
  expect(tables).toEqual(expect.arrayContaining(["every service", ...Object.keys(configSchemas)]));
});

it.each(tables)("every key of %s has a meaning", (name) => {
  const keys = keysNamed(name);
  expect(keys).not.toEqual([]);
  expect(keys.filter(({ meaning }) => meaning === "").map(({ path }) => path)).toEqual([]);
});

it("a table of unknown keys is refused", () => {
  expect(() => keysNamed("teapot")).toThrow('docs/configuration.md asks for the keys of "teapot"');
});

describe("JSON Schemas", () => {
  const json = (name: string) =>
    JSON.parse(schemaDocuments().get(`docs/schema/${name}.json`) ?? "") as Record<string, Record<string, unknown>>;

  it("are what is written, not what is parsed", () => {
    expect(json("l7-router")["required"]).toEqual(["listeners", "routes", "pools"]);
    expect(json("l7-router")["properties"]).toHaveProperty("timeouts.properties.head", {
      title: "duration",
      type: "string",
      default: "10s",
      description: "from connect, or the first byte, to the end of a head",
      pattern: String.raw`^\d+(\.\d+)?(ms|s|m|h|d)$`,
    });
  });

  it.each(Object.keys(configSchemas))("%s refuses unknown keys", (name) => {
    expect(json(name)["additionalProperties"]).toBe(false);
  });
});

describe("examples", () => {
  const files = readdirSync(new URL("docs/examples/", root)).filter((file) => file.endsWith(".yaml"));

  /** l7-router-actions.yaml is one of l7-router. */
  const serviceOf = (file: string): string =>
    Object.keys(configSchemas).find((name) => file === `${name}.yaml` || file.startsWith(`${name}-`)) ?? file;

  it("there is one of every service", () => {
    const services = Object.keys(configSchemas).filter((name) => name !== "topology");
    expect(new Set(files.map(serviceOf))).toEqual(new Set(services));
  });

  it.each(files)("%s loads, and an editor finds its schema", (file) => {
    const path = new URL(`docs/examples/${file}`, root);
    const name = serviceOf(file);
    expect(() => loadConfig(path.pathname, configSchemas[name] as ZodType)).not.toThrow();
    expect(readFileSync(path, "utf8")).toContain(`# yaml-language-server: $schema=../schema/${name}.json\n`);
  });
});

it("the error that the guide shows is the one that is given", () => {
  const text = readFileSync(new URL("docs/examples/l7-router.yaml", root), "utf8")
    .replace("weight: 5", 'weight: "10"')
    .replace("balance:", "balnce:");
  let lines: string[] = [];
  try {
    parseConfig(text, "l7-router.yaml", configSchemas["l7-router"] as ZodType);
  } catch (error) {
    lines = messageOf(error).split("\n");
  }
  const shown = Array.from(guide.matchAll(/^l7-router\.yaml:\d+:\d+ .*$/gm), ([line]) => line);
  expect(shown).toHaveLength(2);
  expect(lines).toEqual(shown);
});
