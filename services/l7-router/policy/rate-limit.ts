import { parseAddress } from "#shared/core/cidr.ts";
import type { Clock } from "#shared/core/clock.ts";
import { Lru } from "#shared/core/lru.ts";
import { refill } from "#shared/core/token-bucket.ts";
import type { TokenBucket } from "#shared/core/token-bucket.ts";
import { refusal } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";

/** What one client may ask for. Without `requestsPerSecondPerClient` there is no limit. */
export interface RateLimits {
  readonly requestsPerSecondPerClient?: number | undefined;
  /** Requests at once; those of one second unless given. */
  readonly burst?: number | undefined;
}

export const bucketsMax = 65_536; // about 10 MB; as many clients as a forwarder keeps

/** Token buckets of clients; who is forgotten begins with a whole burst again. A reload changes the limits and leaves what
 * clients have taken. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Lru<TokenBucket>(bucketsMax);
  #limits: RateLimits;

  constructor(limits: RateLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  set limits(limits: RateLimits) {
    this.#limits = limits;
    if (limits.requestsPerSecondPerClient === undefined) this.#buckets.clear();
  }

  /** Takes a token of this client.
   * @returns the 429 if there is none
   * @see RFC 6585 §4, draft-ietf-httpapi-ratelimit-headers */
  refuse(client: string): Refusal | undefined {
    const { requestsPerSecondPerClient: rate, burst = rate } = this.#limits;
    if (rate === undefined || burst === undefined) return undefined;
    const nowMs = this.#clock.nowMs();
    const key = clientKey(client);
    let bucket = this.#buckets.get(key);
    if (!bucket) this.#buckets.set(key, (bucket = { tokens: burst, atMs: nowMs }));
    refill(bucket, nowMs, rate, burst);
    if (bucket.tokens < 1) return tooMany(rate, burst, bucket.tokens);
    bucket.tokens--;
    return undefined;
  }
}

/** An IPv6 client is its /64: whoever has one address of it mostly has them all. */
export function clientKey(address: string): string {
  if (!address.includes(":")) return address;
  const bytes = parseAddress(address);
  return bytes?.length === 16 ? bytes.subarray(0, 8).join(".") : (bytes?.join(".") ?? address);
}

function tooMany(rate: number, burst: number, tokens: number): Refusal {
  const waitSeconds = String(Math.max(1, Math.ceil((1 - tokens) / rate)));
  const windowSeconds = Math.max(1, Math.ceil(burst / rate));
  return refusal(429, "RATE_LIMITED", "this client asks too often", [
    "Retry-After",
    waitSeconds,
    "RateLimit-Policy",
    `"client";q=${burst};w=${windowSeconds}`,
    "RateLimit",
    `"client";r=0;t=${waitSeconds}`,
  ]);
}
