import type { Clock } from "#shared/core/clock.ts";
import type { RecordSet } from "../wire/body.ts";

/** A signature, and until when it is given out. Seconds since 1970. */
export interface CachedSignature {
  readonly set: RecordSet;
  readonly inception: number;
  /** From here on it is made anew: well before it expires. */
  readonly renewAt: number;
}

/** Signatures by what they cover, the longest unused first. */
export class SignatureCache {
  readonly #entries = new Map<string, CachedSignature>();
  readonly #entriesMax: number;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param now seconds since 1970
   * @returns undefined if there is none, it is due, or it begins in the future: the wall clock was set back */
  get(key: string, now: number): CachedSignature | undefined {
    const found = this.#entries.get(key);
    if (!found || found.renewAt <= now || found.inception > now) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, found);
    return found;
  }

  set(key: string, signature: CachedSignature): void {
    this.#entries.delete(key);
    this.#entries.set(key, signature);
    if (this.#entries.size <= this.#entriesMax) return;
    for (const oldest of this.#entries.keys()) return void this.#entries.delete(oldest);
  }
}

/** How many signatures may be made for whoever asks: a token bucket that holds one second's worth.
 * Queries over UDP leave its lower half for TCP, because their senders may be forged. */
export class SigningBudget {
  readonly #clock: Clock;
  #perSecond: number;
  #tokens: number;
  #lastMs: number;

  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#lastMs = clock.nowMs();
  }

  /** A reload. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** @returns false if it is used up, or would have to take of what is kept for TCP */
  take(transport: "udp" | "tcp"): boolean {
    const nowMs = this.#clock.nowMs();
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((nowMs - this.#lastMs) / 1_000) * this.#perSecond);
    this.#lastMs = nowMs;
    const kept = transport === "udp" ? this.#perSecond / 2 : 0;
    if (this.#tokens < kept + 1) return false;
    this.#tokens--;
    return true;
  }
}
