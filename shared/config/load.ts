import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { ZodType } from "zod";
import { codeOf, messageOf } from "#shared/core/error.ts";
import { ConfigError } from "./error.ts";
import { problemsOf } from "./problems.ts";
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
  const bytes = readBytes(file, fail);
  if (bytes.length > fileBytesMax) return fail("the file is larger than 10 MiB");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return fail("the file is not UTF-8 text");
  }
}

/** The bytes of a file or a pipe, up to one more than may be. */
function readBytes(file: string, fail: (message: string) => never): Uint8Array {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(file, "r");
    if (fstatSync(descriptor).isDirectory()) return fail("this is a directory, not a file");
    const chunks: Uint8Array[] = [];
    for (let total = 0; total <= fileBytesMax;) {
      const chunk = new Uint8Array(Math.min(1_048_576, fileBytesMax + 1 - total));
      const length = readSync(descriptor, chunk);
      if (length === 0) break;
      chunks.push(chunk.subarray(0, length));
      total += length;
    }
    return Buffer.concat(chunks);
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    return fail(whyUnreadable(error));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function whyUnreadable(error: unknown): string {
  switch (codeOf(error)) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "this process may not read the file";
    default:
      return `the file cannot be read: ${messageOf(error)}`;
  }
}
