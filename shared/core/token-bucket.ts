/** What somebody may still do at once. */
export interface TokenBucket {
  tokens: number;
  /** When tokens were last added. */
  atMs: number;
}

/** Adds the tokens that have come since, as far as they fit. */
export function refill(bucket: TokenBucket, nowMs: number, perSecond: number, tokensMax: number): void {
  bucket.tokens = Math.min(tokensMax, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * perSecond);
  bucket.atMs = nowMs;
}
