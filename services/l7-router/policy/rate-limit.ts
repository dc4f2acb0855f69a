import { createHash } from "node:crypto";
import type { RateConfig } from "#shared/config/schema/rates.ts";
import { parseAddress } from "#shared/core/cidr.ts";
import type { Clock } from "#shared/core/clock.ts";
import { Lru } from "#shared/core/lru.ts";
import { refill } from "#shared/core/token-bucket.ts";
import type { TokenBucket } from "#shared/core/token-bucket.ts";
import { cookiesNamed } from "../cookies.ts";
import { refusal } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import type { Routable } from "../route/match.ts";

/** What holds for every request. `requestsPerSecondPerClient` is a rate called "client". */
export interface RateLimits {
  readonly requestsPerSecondPerClient?: number | undefined;
  /** Requests at once; those of one second unless given. */
  readonly burst?: number | undefined;
  readonly rates?: readonly RateConfig[] | undefined;
}

/** Who asks. */
export interface Asker {
  /** Its address. */
  readonly client: string;
  readonly request: Pick<Routable, "headerValues">;
}

/** What a rate says of a request. */
export interface RateVerdict {
  readonly rate: RateConfig;
  readonly burst: number;
  /** Before this request; under 1 there is none left. */
  readonly tokens: number;
}

export const bucketsMax = 65_536; // about 10 MB; as many clients as a forwarder keeps
const keyLettersMax = 64; // of a header or cookie; longer ones are hashed, so that a table of them stays small

/** Token buckets of whoever shares one; who is forgotten begins with a whole burst again. A reload changes the limits and
 * leaves what was taken. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Lru<TokenBucket>(bucketsMax);
  /** For every request. */
  #rates: readonly RateConfig[] = [];

  constructor(limits: RateLimits, clock: Clock) {
    this.#clock = clock;
    this.limits = limits;
  }

  set limits({ requestsPerSecondPerClient, burst, rates = [] }: RateLimits) {
    const perClient = requestsPerSecondPerClient;
    const client: RateConfig[] =
      perClient === undefined ? [] : [{ name: "client", by: "client", requestsPerSecond: perClient, burst }];
    this.#rates = [...client, ...rates];
    if (this.#rates.length === 0) this.#buckets.clear();
  }

  /** Takes a token of every rate that holds for all requests, or none.
   * @returns the 429 if one of them has none */
  refuse(asker: Asker): Refusal | undefined {
    return this.#rates.length === 0 ? undefined : this.take("", this.#rates, asker);
  }

  /** The same by the rates of a route.
   * @param scope the route: its buckets are its own */
  take(scope: string, rates: readonly RateConfig[], asker: Asker): Refusal | undefined {
    const buckets = rates.map((rate) => this.#bucketOf(scope, rate, asker));
    const isOver = buckets.some(({ tokens }) => tokens < 1);
    if (isOver) return tooMany(rates.map((rate, i) => verdictOf(rate, buckets[i])));
    for (const bucket of buckets) bucket.tokens--;
    return undefined;
  }

  /** What would be said now; nothing is taken. */
  look(scope: string, rates: readonly RateConfig[] | undefined, asker: Asker): RateVerdict[] {
    const asked = rates ?? this.#rates;
    const nowMs = this.#clock.nowMs();
    return asked.map((rate) => {
      const known = this.#buckets.get(keyOf(scope, rate, asker));
      const bucket = known ? { ...known } : undefined;
      if (bucket) refill(bucket, nowMs, rate.requestsPerSecond, burstOf(rate));
      return verdictOf(rate, bucket);
    });
  }

  #bucketOf(scope: string, rate: RateConfig, asker: Asker): TokenBucket {
    const nowMs = this.#clock.nowMs();
    const key = keyOf(scope, rate, asker);
    const burst = burstOf(rate);
    let bucket = this.#buckets.get(key);
    if (!bucket) this.#buckets.set(key, (bucket = { tokens: burst, atMs: nowMs }));
    refill(bucket, nowMs, rate.requestsPerSecond, burst);
    return bucket;
  }
}

function burstOf({ burst, requestsPerSecond }: RateConfig): number {
  return burst ?? Math.max(1, Math.round(requestsPerSecond));
}

function verdictOf(rate: RateConfig, bucket: TokenBucket | undefined): RateVerdict {
  const burst = burstOf(rate);
  return { rate, burst, tokens: bucket?.tokens ?? burst };
}

function keyOf(scope: string, { name, by }: RateConfig, { client, request }: Asker): string {
  const limit = `${scope} ${name}`;
  if (by === "all") return limit;
  const value =
    by === "client"
      ? undefined
      : "header" in by
        ? request.headerValues(by.header.toLowerCase()).join(", ")
        : cookiesNamed(by.cookie, request.headerValues("cookie"))[0];
  // What names nobody must not be a way around the limit.
  if (value === undefined || value === "") return `${limit} ${clientKey(client)}`;
  const short = value.length > keyLettersMax ? createHash("sha256").update(value).digest("base64url") : value;
  return `${limit}=${short}`;
}

/** An IPv6 client is its /64: whoever has one address of it mostly has them all. */
export function clientKey(address: string): string {
  if (!address.includes(":")) return address;
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? bytes.subarray(0, 8).join(".") : (bytes?.join(".") ?? address);
}

/** Every rate that was asked, and how long until all of them have a token.
 * @see RFC 6585 §4; draft-ietf-httpapi-ratelimit-headers-11 §3, §4 */
function tooMany(verdicts: readonly RateVerdict[]): Refusal {
  const policies: string[] = [];
  const states: string[] = [];
  let longestS = 1;
  for (const { rate, burst, tokens } of verdicts) {
    const { name, requestsPerSecond } = rate;
    policies.push(`"${name}";q=${burst};w=${Math.max(1, Math.ceil(burst / requestsPerSecond))}`);
    const left = Math.max(0, Math.floor(tokens));
    const waitS = Math.max(1, Math.ceil((1 - tokens) / requestsPerSecond));
    states.push(left > 0 ? `"${name}";r=${left}` : `"${name}";r=0;t=${waitS}`);
    if (left === 0) longestS = Math.max(longestS, waitS);
  }
  return refusal(429, "RATE_LIMITED", "this client asks too often", [
    "Retry-After",
    String(longestS),
    "RateLimit-Policy",
    policies.join(", "),
    "RateLimit",
    states.join(", "),
  ]);
}
