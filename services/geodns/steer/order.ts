import type { GeoServiceConfig } from "#shared/config/schema/geodns.ts";
import type { Random } from "#shared/core/random.ts";

/** As much of an address as its order needs. */
export interface Weighted {
  readonly address: string;
  readonly weight: number;
}

/** Rotates the addresses of answers. Keeps its place from answer to answer. */
export interface Order {
  /** The first `count` addresses of the next answer.
   * @param key what is rotated on its own: a region and a record type, so that A and AAAA do not skip for each other
   * @param peek look without moving on */
  take<Address extends Weighted>(
    key: string,
    addresses: readonly Address[],
    count: number,
    peek?: boolean,
  ): readonly Address[];
}

type OrderName = GeoServiceConfig["balance"];

const orders = {
  "round-robin": createRoundRobin,
  weighted: createWeighted,
  random: createRandom,
} as const satisfies Record<OrderName, (random: Random) => Order>;

export function createOrder(balance: OrderName, random: Random): Order {
  return orders[balance](random);
}

function createRoundRobin(): Order {
  const turns = new Map<string, number>(); // keys are regions × types
  return {
    take(key, addresses, count, peek = false) {
      const turn = (turns.get(key) ?? 0) % Math.max(1, addresses.length);
      if (!peek) turns.set(key, turn + 1);
      return [...addresses.slice(turn), ...addresses.slice(0, turn)].slice(0, count);
    },
  };
}

/** Smooth: the first place goes to each address as often as its weight says, evenly spread. */
function createWeighted(): Order {
  const scores = new Map<string, Map<string, number>>();
  return {
    take(key, addresses, count, peek = false) {
      const before = scores.get(key);
      const ranked = addresses
        .map((address) => ({ address, score: (before?.get(address.address) ?? 0) + address.weight }))
        .sort((a, b) => b.score - a.score);
      if (!peek) {
        const total = addresses.reduce((sum, { weight }) => sum + weight, 0);
        const after = ranked.map(
          ({ address, score }, i) => [address.address, i === 0 ? score - total : score] as const,
        );
        scores.set(key, new Map(after));
      }
      return ranked.slice(0, count).map(({ address }) => address);
    },
  };
}

function createRandom(random: Random): Order {
  return {
    take(_key, addresses, count) {
      const shuffled = [...addresses];
      // Fisher-Yates, no further than is needed.
      for (let i = 0; i < Math.min(count, shuffled.length); i++) {
        const j = i + Math.floor(random() * (shuffled.length - i));
        const [a, b] = [shuffled[i], shuffled[j]];
        if (a && b) [shuffled[i], shuffled[j]] = [b, a];
      }
      return shuffled.slice(0, count);
    },
  };
}
