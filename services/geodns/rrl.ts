import type { AddressBytes, Cidr } from "#shared/core/cidr.ts";
import { cidrContains } from "#shared/core/cidr.ts";

/** Response rate limiting: who forges the address of a victim gets few answers sent there. Answers are counted by the network that
 * they go to and by what they are; over the limit most are dropped, and every n-th comes cut, so that a real resolver asks again
 * over TCP. A table of fixed size holds the buckets; counting allocates nothing.
 * Pure: time is passed in, and so is the seed of the hash.
 * @see https://kb.isc.org/docs/aa-01000 */

/** What answers are counted as, in the order of `RateLimits.perSecond`; the last counts all of them together. */
export const answerKinds = ["answer", "nodata", "nxdomain", "referral", "error", "all"] as const;
export type AnswerKind = (typeof answerKinds)[number];
const all = answerKinds.indexOf("all");

export const verdicts = { pass: 0, slip: 1, drop: 2 } as const;
export type Verdict = (typeof verdicts)[keyof typeof verdicts];

export interface RateLimits {
  /** Answers a second to one network; undefined: no limit. */
  readonly perSecond: Readonly<Record<AnswerKind, number | undefined>>;
  /** What is over the limit counts on for this long, so that who goes on asking stays limited. */
  readonly windowSeconds: number;
  /** Every n-th answer over the limit is a cut one; 0: none, 1: each. */
  readonly slip: number;
  readonly ipv4Prefix: number;
  readonly ipv6Prefix: number;
  /** Networks that are never limited. */
  readonly exempt: readonly Cidr[];
  /** Buckets, rounded up to a power of two: a network takes one for each kind of answers it gets, and 17 bytes for each. */
  readonly bucketsMax: number;
}

const ways = 4; // buckets that one hash may be in: the one that has rested longest makes room

export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #rates: Float64Array;
  readonly #seed: number;
  readonly #setMask: number;
  readonly #tags: Uint32Array;
  /** When the bucket was last counted. */
  readonly #countedMs: Float64Array;
  /** Answers that may go yet; below 0 is what was asked over the limit. */
  readonly #credits: Float32Array;
  /** Answers over the limit since the last cut one. */
  readonly #held: Uint8Array;

  /** @param seed random: nobody shall be able to choose networks that share a bucket */
  constructor(limits: RateLimits, seed: number) {
    const buckets = 2 ** Math.ceil(Math.log2(Math.max(ways, limits.bucketsMax)));
    this.#limits = limits;
    this.#rates = Float64Array.from(answerKinds, (kind) => limits.perSecond[kind] ?? 0);
    this.#seed = seed;
    this.#setMask = buckets / ways - 1;
    this.#tags = new Uint32Array(buckets);
    this.#countedMs = new Float64Array(buckets).fill(Number.NEGATIVE_INFINITY);
    this.#credits = new Float32Array(buckets);
    this.#held = new Uint8Array(buckets);
  }

  /** Counts one answer, and says what becomes of it.
   * @param kind index in `answerKinds`
   * @param nowMs of a clock that never falls */
  limit(client: AddressBytes, kind: number, nowMs: number): Verdict {
    const network = this.#networkHash(client);
    const own = this.#count(network, kind, nowMs);
    const total = this.#count(network, all, nowMs);
    const over = own >= 0 ? own : total;
    if (over < 0 || this.#isExempt(client)) return verdicts.pass;
    const { slip } = this.#limits;
    if (slip === 0) return verdicts.drop;
    const held = (this.#held[over] ?? 0) + 1;
    this.#held[over] = held >= slip ? 0 : held;
    return held >= slip ? verdicts.slip : verdicts.drop;
  }

  /** @returns the bucket if it is over its limit, else -1 */
  #count(network: number, kind: number, nowMs: number): number {
    const rate = this.#rates[kind] ?? 0;
    if (rate === 0) return -1;
    const tag = mix(network ^ Math.imul(kind + 1, 0x9e3779b1));
    const bucket = this.#bucketOf(tag);
    const restedSeconds = this.#tags[bucket] === tag ? (nowMs - (this.#countedMs[bucket] ?? 0)) / 1_000 : Infinity;
    if (restedSeconds === Infinity) {
      this.#tags[bucket] = tag;
      this.#held[bucket] = 0;
    }
    // A second's worth may come at once.
    const before = restedSeconds === Infinity ? rate : (this.#credits[bucket] ?? 0) + restedSeconds * rate;
    const credit = Math.max(Math.min(before, rate) - 1, -rate * this.#limits.windowSeconds);
    this.#countedMs[bucket] = nowMs;
    this.#credits[bucket] = credit;
    return credit < 0 ? bucket : -1;
  }

  /** The bucket of this tag, or the one that makes room for it. */
  #bucketOf(tag: number): number {
    const first = (tag & this.#setMask) * ways;
    let oldest = first;
    for (let bucket = first; bucket < first + ways; bucket++) {
      if (this.#tags[bucket] === tag) return bucket;
      if ((this.#countedMs[bucket] ?? 0) < (this.#countedMs[oldest] ?? 0)) oldest = bucket;
    }
    return oldest;
  }

  #networkHash(client: AddressBytes): number {
    const { ipv4Prefix, ipv6Prefix } = this.#limits;
    const prefix = client.length === 4 ? ipv4Prefix : ipv6Prefix;
    let hash = 0x811c9dc5 ^ this.#seed ^ client.length;
    for (let i = 0; i * 8 < prefix; i++) {
      const bits = Math.min(8, prefix - i * 8);
      hash = Math.imul(hash ^ ((client[i] ?? 0) & (0xff << (8 - bits))), 0x01000193);
    }
    return hash;
  }

  /** Looked at only by those over the limit. */
  #isExempt(client: AddressBytes): boolean {
    for (const network of this.#limits.exempt) if (cidrContains(network, client)) return true;
    return false;
  }
}

/** The finaliser of MurmurHash3; never 0, which is the tag of an empty bucket. */
function mix(value: number): number {
  let hash = value ^ (value >>> 16);
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0 || 1;
}

/** What a reply counts as: index in `answerKinds`.
 * @param reply a whole DNS message */
export function answerKindOf(reply: Uint8Array): number {
  const rcode = (reply[3] ?? 0) & 0x0f;
  const isAuthoritative = ((reply[2] ?? 0) & 0x04) !== 0;
  const answers = ((reply[6] ?? 0) << 8) | (reply[7] ?? 0);
  const authority = ((reply[8] ?? 0) << 8) | (reply[9] ?? 0);
  if (rcode === 3) return 2;
  if (rcode !== 0) return 4;
  if (answers > 0) return 0;
  if (isAuthoritative) return 1;
  // Without AA: a referral has the name servers it leads to. Extended codes such as BADVERS look like NOERROR up here.
  return authority > 0 ? 3 : 4;
}
