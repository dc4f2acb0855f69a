import type { ZodType } from "zod";
import { ConfigError, formatPath, unmet } from "./error.ts";
import type { Problem } from "./error.ts";
import { keepOrigin } from "./origin.ts";
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
  if (!result.success)
    throw new ConfigError(problemsOf(schema, yaml.value, result.error.issues, fileName, yaml.positionOf));
  // Read anew when it is asked for: the text takes a tenth of what its document takes, and few configs turn out bad.
  keepOrigin(result.data, () => {
    const { positionOf } = readYaml(text, fileName);
    return (path) => ({ file: fileName, ...positionOf(path, "value"), path: formatPath(path) });
  });
  return result.data;
}

/** Checks a config that was made, not read: its errors have no line, and begin with `name`.
 * @throws {ConfigError} with everything that is wrong */
export function validate<T>(value: unknown, name: string, schema: ZodType<T>): T {
  const result = schema.safeParse(value);
  if (!result.success) throw new ConfigError(problemsOf(schema, value, result.error.issues, name));
  keepOrigin(result.data, () => (path) => ({ file: name, path: formatPath(path) }));
  return result.data;
}

function readText(file: string): string {
  const fail = (message: string): never => {
    throw new ConfigError([{ file, path: "", message }]);
  };
  const bytes = readBytes(file, fileBytesMax, fail);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError([notUtf8(file, bytes)]);
  }
}

const replacement = "\uFFFD"; // what the decoder puts in place of bytes that are no character

function notUtf8(file: string, bytes: Buffer): Problem {
  const text = bytes.toString("utf8");
  // The first that was not written so by whoever wrote the file.
  let at = text.indexOf(replacement);
  while (at >= 0 && bytes.subarray(Buffer.byteLength(text.slice(0, at))).indexOf(replacement) === 0)
    at = text.indexOf(replacement, at + 1);
  const before = text.slice(0, Math.max(0, at)).split("\n");
  const got = `byte 0x${(bytes[Buffer.byteLength(before.join("\n"))] ?? 0).toString(16).padStart(2, "0")}`;
  const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1, path: "" };
  return unmet(place, { expected: "UTF-8 text", got, hint: "save the file as UTF-8" });
}
