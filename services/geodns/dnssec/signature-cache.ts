import type { Clock } from "#shared/core/clock.ts";
import { Lru } from "#shared/core/lru.ts";
import { refill } from "#shared/core/token-bucket.ts";
import type { TokenBucket } from "#shared/core/token-bucket.ts";
import type { RecordSet } from "../wire/body.ts";
import type { Transport } from "../answer.ts";

/** A signature, and until when it is given out. Seconds since 1970. */
export interface CachedSignature {
  readonly set: RecordSet;
  readonly inception: number;
  /** From here on it is made anew: well before it expires. */
  readonly renewAt: number;
}

/** Signatures by what they cover. */
export class SignatureCache {
  readonly #entries: Lru<CachedSignature>;

  constructor(entriesMax: number) {
    this.#entries = new Lru(entriesMax);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param now seconds since 1970
   * @returns undefined if there is none, it is due, or it begins in the future: the wall clock was set back */
  get(key: string, now: number): CachedSignature | undefined {
    const found = this.#entries.get(key);
    return found && found.renewAt > now && found.inception <= now ? found : undefined;
  }

  set(key: string, signature: CachedSignature): void {
    this.#entries.set(key, signature);
  }
}

/** How many signatures may be made for whoever asks: a token bucket that holds one second's worth.
 * Queries over UDP leave its lower half for TCP, because their senders may be forged. */
export class SigningBudget {
  readonly #clock: Clock;
  #perSecond: number;
  readonly #bucket: TokenBucket;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#bucket = { tokens: perSecond, atMs: clock.nowMs() };
  }

  /** A reload. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** @returns false if it is used up, or would have to take of what is kept for TCP */
  has(transport: Transport): boolean {
    refill(this.#bucket, this.#clock.nowMs(), this.#perSecond, this.#perSecond);
    const kept = transport === "udp" ? this.#perSecond / 2 : 0;
    return this.#bucket.tokens >= kept + 1;
  }

  /** Takes one. @returns false if there is none */
  take(transport: Transport): boolean {
    if (!this.has(transport)) return false;
    this.#bucket.tokens--;
    return true;
  }
}
