import type { ZodType } from "zod";
import { ConfigError } from "./error.ts";
import { problemsOf } from "./problems.ts";
import { readBytes } from "./read-bytes.ts";
import { readYaml } from "./read-yaml.ts";

export { ConfigError } from "./error.ts";
export type { Problem } from "./error.ts";

const fileBytesMax = 10 * 1_048_576; // ten thousand endpoints take about 1 MiB

/** Reads and checks a config file (YAML).
 * @throws {ConfigError} with everything that is wrong */
export function loadConfig<T>(file: string, schema: ZodType<T>): T {
  return parseConfig(readText(file), file, schema);
}

/** Checks the text of a config file; `fileName` stands in the errors.
 * @throws {ConfigError} with everything that is wrong */
export function parseConfig<T>(text: string, fileName: string, schema: ZodType<T>): T {
  const yaml = readYaml(text, fileName);
  const result = schema.safeParse(yaml.value);
  if (result.success) return result.data;
  throw new ConfigError(problemsOf(schema, yaml.value, result.error.issues, fileName, yaml.positionOf));
}

/** Checks a config that was made, not read: its errors have no line, and begin with `name`.
 * @throws {ConfigError} with everything that is wrong */
export function validate<T>(value: unknown, name: string, schema: ZodType<T>): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConfigError(problemsOf(schema, value, result.error.issues, name));
}

function readText(file: string): string {
  const fail = (message: string): never => {
    throw new ConfigError([{ file, path: "", message }]);
  };
  const bytes = readBytes(file, fileBytesMax, fail);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail("the file is not UTF-8 text");
  }
}
