import { parseAddress } from "#shared/core/cidr.ts";
import type { Clock } from "#shared/core/clock.ts";
import { refusal } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";

/** What one client may ask for. Without `requestsPerSecondPerClient` there is no limit. */
export interface RateLimits {
  readonly requestsPerSecondPerClient?: number | undefined;
  /** Requests at once; those of one second unless given. */
  readonly burst?: number | undefined;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

export const bucketsMax = 65_536; // about 10 MB; as many clients as a forwarder keeps

/** Token buckets of clients. A reload changes the limits and leaves what clients have taken. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #buckets = new Map<string, Bucket>();
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
    const bucket = this.#buckets.get(key) ?? { tokens: burst, atMs: nowMs };
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * rate);
    bucket.atMs = nowMs;
    this.#remember(key, bucket);
    if (bucket.tokens < 1) return tooMany(rate, burst, bucket.tokens);
    bucket.tokens--;
    return undefined;
  }

  /** The client seen last stands last; over the bound the first is forgotten, and begins with a whole burst again. */
  #remember(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size <= bucketsMax) return;
    const oldest = this.#buckets.keys().next();
    if (!oldest.done) this.#buckets.delete(oldest.value);
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
