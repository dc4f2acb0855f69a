import type { GeoServiceConfig } from "#shared/config/schema/geodns.ts";
import type { Random } from "#shared/core/random.ts";

/** As much of an address as its order needs. */
export interface Weighted {
  readonly address: string;
  readonly weight: number;
}

/** The orders in which addresses stand in answers, one after the other, over and over. */
type Orders = <Address extends Weighted>(
  addresses: readonly Address[],
  random: Random,
) => readonly (readonly Address[])[];

export type OrderName = GeoServiceConfig["balance"];
export const orderNames = ["round-robin", "weighted", "random"] as const satisfies readonly OrderName[];

export const ordersMax = 64; // each is an answer that is kept in memory; weights are kept to about two percent

const orders = {
  "round-robin": roundRobin,
  weighted,
  random: shuffled,
} as const satisfies Record<OrderName, Orders>;

/** @returns at least one order, of the first `count` addresses each */
export function ordersOf<Address extends Weighted>(
  balance: OrderName,
  addresses: readonly Address[],
  count: number,
  random: Random,
): readonly (readonly Address[])[] {
  if (addresses.length === 0) return [[]];
  return orders[balance](addresses, random).map((order) => order.slice(0, count));
}

function roundRobin<Address extends Weighted>(addresses: readonly Address[]): readonly (readonly Address[])[] {
  return addresses.slice(0, ordersMax).map((_, turn) => [...addresses.slice(turn), ...addresses.slice(0, turn)]);
}

/** Smooth: the first place goes to each address as often as its weight says, evenly spread. */
function weighted<Address extends Weighted>(addresses: readonly Address[]): readonly (readonly Address[])[] {
  const total = addresses.reduce((sum, { weight }) => sum + weight, 0);
  const divisor = addresses.reduce((common, { weight }) => greatestCommonDivisor(common, weight), 0);
  const scores = addresses.map(() => 0);
  const turns: (readonly Address[])[] = [];
  for (let turn = 0; turn < Math.min(ordersMax, total / Math.max(1, divisor)); turn++) {
    for (const [i, { weight }] of addresses.entries()) scores[i] = (scores[i] ?? 0) + weight;
    const ranked = addresses
      .map((address, i) => ({ address, i }))
      .sort((a, b) => (scores[b.i] ?? 0) - (scores[a.i] ?? 0));
    const first = ranked[0]?.i ?? 0;
    scores[first] = (scores[first] ?? 0) - total;
    turns.push(ranked.map(({ address }) => address));
  }
  return turns;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** As many shuffles as make their sequence unforeseen, and the first place even. */
function shuffled<Address extends Weighted>(
  addresses: readonly Address[],
  random: Random,
): readonly (readonly Address[])[] {
  const rounds = Math.max(1, Math.floor(ordersMax / addresses.length));
  const turns: (readonly Address[])[] = [];
  // In each round every address stands first once, in an order of chance; behind it the others, shuffled.
  for (let round = 0; round < rounds; round++)
    for (const first of shuffle(addresses, random))
      turns.push([
        first,
        ...shuffle(
          addresses.filter((address) => address !== first),
          random,
        ),
      ]);
  return turns;
}

/** Fisher-Yates. */
function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  const mixed = [...items];
  for (let i = mixed.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    const [a, b] = [mixed[i], mixed[j]];
    if (a !== undefined && b !== undefined) [mixed[i], mixed[j]] = [b, a];
  }
  return mixed;
}
