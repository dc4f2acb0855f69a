import { randomBytes } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { GeodnsConfig } from "#shared/config/schema/geodns.ts";
import { locateIn } from "#shared/config/origin.ts";
import type { RateLimitConfig } from "#shared/config/schema/dns-listeners.ts";
import { formatAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { messageOf } from "#shared/core/error.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { Host } from "#shared/server/service.ts";
import { watchFile } from "#shared/server/watch.ts";
import { createCookieJar } from "./cookie-jar.ts";
import type { CookieJar } from "./cookie-jar.ts";
import { RateLimiter, answerKindOf, answerKinds, verdicts } from "./rrl.ts";
import type { Verdict } from "./rrl.ts";
import type { CookieSecrets } from "./wire/cookie.ts";
import type { Terms } from "./wire/reception.ts";

export type GuardConfig = Pick<GeodnsConfig, "cookies" | "rateLimit" | "tcp">;

/** What a config becomes, once its files are read. */
export interface GuardParts {
  readonly config: GuardConfig;
  readonly jar: CookieJar | undefined;
}

const logEveryMs = 10_000; // a flood must not become one of log lines
const results = ["cut", "dropped", "logged"] as const;
const noSecrets: CookieSecrets = new Uint32Array(4);

/** Cookies and the rate limit of one server: what protects it, and others from it. */
export class Guard implements Terms {
  readonly #host: Host;
  #parts: GuardParts;
  #watched: { close(): void } | undefined;
  #limiter: RateLimiter | undefined;
  /** Of the metric, by kind and result; told when somebody reads it. */
  readonly #limited = new Float64Array(answerKinds.length * results.length);
  #limitedSinceLog = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;

  /** @throws {UsageError} if a file cannot be used */
  constructor(config: GuardConfig, host: Host) {
    this.#host = host;
    this.#parts = this.prepare(config);
    this.#limiter = this.#createLimiter(config.rateLimit);
    this.#watch();
  }

  close(): void {
    this.#watched?.close();
  }

  /** @throws {UsageError} if a file cannot be used; nothing has changed then */
  prepare(config: GuardConfig): GuardParts {
    const { cookies } = config;
    return { config, jar: cookies.enabled ? createCookieJar(cookies, this.#host.seed, locateIn(config)) : undefined };
  }

  /** What is counted goes on where the limits stay as they are. */
  use(parts: GuardParts): void {
    const { rateLimit } = parts.config;
    if (!isDeepStrictEqual(rateLimit, this.#parts.config.rateLimit)) this.#limiter = this.#createLimiter(rateLimit);
    this.#parts = parts;
    this.#watch();
  }

  #watch(): void {
    this.#watched?.close();
    const { enabled, secretFile } = this.#parts.config.cookies;
    this.#watched =
      enabled && secretFile !== undefined ? watchFile(secretFile, () => this.#readSecretsAgain()) : undefined;
  }

  #readSecretsAgain(): void {
    const { log, events } = this.#host;
    try {
      this.#parts = this.prepare(this.#parts.config);
      events.emit("cookie_secrets_read", {});
      log.info("cookie_secrets_read");
    } catch (error) {
      events.emit("cookie_secrets_refused", { error: messageOf(error) });
      log.error({ error: messageOf(error) }, "cookie_secrets_refused");
    }
  }

  get hasCookies(): boolean {
    return this.#parts.jar !== undefined;
  }

  get requiresCookies(): boolean {
    return this.#parts.config.cookies.require;
  }

  get idleMs(): number {
    return this.#parts.config.tcp.idleMs;
  }

  nowSeconds(): number {
    return Math.floor(Date.now() / 1_000);
  }

  secretsAt(nowSeconds: number): CookieSecrets {
    return this.#parts.jar?.secretsAt(nowSeconds) ?? noSecrets;
  }

  /** Whether replies have to be counted at all. */
  get isLimiting(): boolean {
    return this.#limiter !== undefined;
  }

  /** Counts a reply over UDP to a client that has not shown where it is. */
  limit(reply: Uint8Array, client: AddressBytes): Verdict {
    if (!this.#limiter) return verdicts.pass;
    const kind = answerKindOf(reply);
    const verdict = this.#limiter.limit(client, kind, this.#host.clock.nowMs());
    if (verdict === verdicts.pass) return verdict;
    const isLogOnly = this.#parts.config.rateLimit?.logOnly ?? false;
    const result = isLogOnly ? 2 : verdict === verdicts.slip ? 0 : 1;
    const cell = kind * results.length + result;
    this.#limited[cell] = (this.#limited[cell] ?? 0) + 1;
    this.#log(client, kind);
    return isLogOnly ? verdicts.pass : verdict;
  }

  /** Adds what has come since the last time. */
  tell({ count }: Pick<Metrics, "count">): void {
    for (const [k, kind] of answerKinds.entries())
      for (const [r, result] of results.entries()) {
        const limited = this.#limited[k * results.length + r] ?? 0;
        if (limited > 0) count("watershed_dns_limited_total", { kind, result }, limited);
      }
    this.#limited.fill(0);
  }

  #log(client: AddressBytes, kind: number): void {
    this.#limitedSinceLog++;
    const nowMs = this.#host.clock.nowMs();
    if (nowMs < this.#loggedMs + logEveryMs) return;
    const responses = this.#limitedSinceLog;
    this.#host.log.warn({ responses, client: formatAddress(client), kind: answerKinds[kind] }, "responses_limited");
    this.#loggedMs = nowMs;
    this.#limitedSinceLog = 0;
  }

  #createLimiter(config: RateLimitConfig | undefined): RateLimiter | undefined {
    return config && new RateLimiter(config.limits, randomBytes(4).readUInt32LE());
  }
}
