import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import type { CookiesConfig } from "#shared/config/schema/dns-listeners.ts";
import { UsageError, messageOf } from "#shared/core/error.ts";
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
 * @throws {UsageError} if the file of secrets cannot be used */
export function createCookieJar(config: CookiesConfig, seed: Uint8Array): CookieJar {
  const texts = config.secrets ?? (config.secretFile === undefined ? undefined : readSecretFile(config.secretFile));
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
function readSecretFile(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`cookies.secretFile: ${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  const secrets: string[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    const secret = line.trim();
    if (secret === "" || secret.startsWith("#")) continue;
    // The line is not repeated: it may be a secret that is only misspelt.
    if (!hexSecret.test(secret)) throw new UsageError(`${file}:${i + 1}: expected 32 hexadecimal digits`);
    secrets.push(secret);
  }
  if (secrets.length === 0 || secrets.length > fileSecretsMax)
    throw new UsageError(`${file}: expected 1 to ${fileSecretsMax} secrets, a line each; got ${secrets.length}`);
  return secrets;
}
