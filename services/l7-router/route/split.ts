import { hash32 } from "#shared/core/hash.ts";

/** A pool and its part of the clients. */
export interface Share {
  readonly pool: string;
  /** In proportion to the others. */
  readonly weight: number;
}

/** The pool of a client: always the same while the weights are. Where a weight changes, only so many clients move as the
 * shares have changed by (weighted rendezvous hashing: every pool draws by the client's hash, the best draw wins).
 * @param client its address */
export function sideOf(client: string, shares: readonly Share[]): string {
  let best = -1;
  let chosen = "";
  for (const { pool, weight } of shares) {
    if (weight === 0) continue;
    const drawn = (hash32(client, hash32(pool)) + 0.5) / 4_294_967_296; // within (0, 1): its logarithm is below 0
    const score = -weight / Math.log(drawn);
    if (score <= best) continue;
    best = score;
    chosen = pool;
  }
  return chosen;
}
