import { hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { UsageError, codeOf } from "#shared/core/error.ts";
import { adminToken } from "#shared/server/token.ts";

/** Keys of sticky cookies, 32 bytes each: the first signs, all are believed. */
export interface StickyKeys {
  readonly keys: readonly [Buffer, ...Buffer[]];
  /** Where they come from, for status. */
  readonly from: "stickySecretFile" | "WATERSHED_STICKY_SECRET" | "the admin token" | "this process";
}

const secretBytesMin = 16; // 128 bits, if they are random
const secretsMax = 2; // the present one and the one before

/** Every router of a region must sign with the same key, and sign so after a restart: so the secret comes from the file that
 * the config names, or from the environment, or from the admin token, which all nodes of a stack share. Only without any of
 * them is it this process' own: then its cookies mean nothing to its twin, nor to itself after a restart. The key is derived
 * from the secret (HKDF, RFC 5869), so that none tells anything of an admin token.
 * @param seed of the process
 * @throws {UsageError} if a secret cannot be read, or is short */
export function stickyKeysOf(
  file: string | undefined,
  seed: Uint8Array,
  env: NodeJS.ProcessEnv = process.env,
): StickyKeys {
  if (file !== undefined) {
    const [first, ...others] = secretsOf(file);
    return { keys: [keyOf(first), ...others.map(keyOf)], from: "stickySecretFile" };
  }
  const given = env["WATERSHED_STICKY_SECRET"];
  if (given) {
    if (given.length < secretBytesMin) throw new UsageError(`WATERSHED_STICKY_SECRET: ${shortText}`);
    return { keys: [keyOf(given)], from: "WATERSHED_STICKY_SECRET" };
  }
  const token = adminToken(env);
  return token === undefined
    ? { keys: [keyOf(seed)], from: "this process" }
    : { keys: [keyOf(token)], from: "the admin token" };
}

const shortText = `a secret has ${secretBytesMin} characters or more`;

/** One a line. */
function secretsOf(file: string): [string, ...string[]] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`stickySecretFile: cannot read ${file} (${codeOf(error)})`);
  }
  const lines = text.split("\n").map((line) => line.trim());
  const [first, ...others] = lines.filter((line) => line !== "");
  if (first === undefined) throw new UsageError(`stickySecretFile: ${file} is empty`);
  if (others.length >= secretsMax)
    throw new UsageError(
      `stickySecretFile: ${file} has more than ${secretsMax} secrets: the present one and the one before`,
    );
  for (const secret of [first, ...others])
    if (secret.length < secretBytesMin) throw new UsageError(`stickySecretFile: ${file}: ${shortText}`);
  return [first, ...others];
}

function keyOf(secret: string | Uint8Array): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, "", "watershed sticky cookie", 32));
}
