import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfigError, unmet } from "#shared/config/error.ts";
import type { Place, Problem } from "#shared/config/error.ts";
import { locateByPath } from "#shared/config/origin.ts";
import type { Locate } from "#shared/config/origin.ts";
import type { CookiesConfig } from "#shared/config/schema/dns-listeners.ts";
import { whyUnreadable } from "#shared/core/error.ts";
import { cookieSecretsOf, secretBytes } from "./wire/cookie.ts";
import type { CookieSecrets } from "./wire/cookie.ts";

const fileSecretsMax = 4; // one that makes, and those that were or will be before and after it
const hexSecret = /^[0-9a-fA-F]{32}$/;

/** The secrets of cookies: those that are given, or else random ones that are replaced from time to time. */
export interface CookieJar {
  /** @param nowSeconds since 1970, whole */
  secretsAt(nowSeconds: number): CookieSecrets;
}

/** @param seed random, the same in all processes that share a socket: each makes the same secrets of it, without a word to the others
 * @param locate where the config stands
 * @throws {ConfigError} if the file of secrets cannot be used */
export function createCookieJar(config: CookiesConfig, seed: Uint8Array, locate: Locate = locateByPath): CookieJar {
  const { secretFile } = config;
  const texts =
    config.secrets ??
    (secretFile === undefined ? undefined : readSecretFile(secretFile, () => locate(["cookies", "secretFile"])));
  if (!texts) return new RotatingJar(seed, config.rotate / 1_000);
  const secrets = cookieSecretsOf(texts.map((text) => Buffer.from(text, "hex")));
  return { secretsAt: () => secrets };
}

/** A secret for each period, made of the seed. The one before is good for another period, longer than any cookie lives. */
class RotatingJar implements CookieJar {
  readonly #seed: Uint8Array;
  readonly #periodSeconds: number;
  #period = -1;
  #secrets: CookieSecrets = cookieSecretsOf([]);

  constructor(seed: Uint8Array, periodSeconds: number) {
    this.#seed = seed;
    this.#periodSeconds = periodSeconds;
  }

  secretsAt(nowSeconds: number): CookieSecrets {
    const period = Math.floor(nowSeconds / this.#periodSeconds);
    if (period === this.#period) return this.#secrets;
    this.#period = period;
    this.#secrets = cookieSecretsOf([this.#secretOf(period), this.#secretOf(period - 1)]);
    return this.#secrets;
  }

  #secretOf(period: number): Uint8Array {
    const whole = createHmac("sha256", this.#seed).update(`cookie ${this.#periodSeconds} ${period}`).digest();
    return whole.subarray(0, secretBytes);
  }
}

/** A secret a line, in hexadecimal; empty lines and those that begin with # mean nothing. */
function readSecretFile(file: string, namedBy: () => Place): string[] {
  const text = readText(file, namedBy);
  const secrets: string[] = [];
  const problems: Problem[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const secret = line.trim();
    if (secret === "" || secret.startsWith("#")) continue;
    secrets.push(secret);
    if (hexSecret.test(secret)) continue;
    // The line is not repeated: it may be a secret that is only misspelt.
    const place = { file, line: i + 1, column: line.indexOf(secret) + 1, path: "" };
    const got = `${secret.length} characters${/^[0-9a-fA-F]*$/.test(secret) ? "" : ", not all of them digits"}`;
    problems.push(unmet(place, { expected: "32 hexadecimal digits", got, hint: secretHint }, namedBy()));
  }
  if (secrets.length === 0 || secrets.length > fileSecretsMax) {
    const expected = `1 to ${fileSecretsMax} secrets in ${file}, a line each`;
    problems.push(unmet(namedBy(), { expected, got: String(secrets.length), hint: secretHint }));
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return secrets;
}

const secretHint = "openssl rand -hex 16 makes one";

function readText(file: string, namedBy: () => Place): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const got = `none: ${whyUnreadable(error)}`;
    throw new ConfigError([unmet(namedBy(), { expected: `a file of secrets ${file}`, got, hint: secretHint })]);
  }
}
