import { readFileSync } from "node:fs";
import { UsageError, codeOf } from "#shared/core/error.ts";

/** The bearer token of the admin API: WATERSHED_ADMIN_TOKEN, or what the file of WATERSHED_ADMIN_TOKEN_FILE holds;
 * undefined where neither is set.
 * @throws {UsageError} if the file cannot be read, or is empty: then a node would stand open */
export function adminToken(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const token = env["WATERSHED_ADMIN_TOKEN"];
  if (token) return token;
  const file = env["WATERSHED_ADMIN_TOKEN_FILE"];
  if (!file) return undefined;
  const text = readToken(file);
  if (text === "") throw new UsageError(`WATERSHED_ADMIN_TOKEN_FILE: ${file} is empty`);
  return text;
}

function readToken(file: string): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new UsageError(`WATERSHED_ADMIN_TOKEN_FILE: cannot read ${file} (${codeOf(error)})`);
  }
}
