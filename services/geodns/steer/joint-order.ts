import type { Random } from "#shared/core/random.ts";
import { portionsOf } from "./failover.ts";
import { ordersMax, ordersOf } from "./order.ts";
import type { OrderName, Weighted } from "./order.ts";

/** The addresses of one of several regions that answer together. */
export interface Part<Address> {
  /** How often it comes first, against the others. */
  readonly weight: number;
  readonly addresses: readonly Address[];
}

const weightUnit = 1_000; // capacities have three places behind the point at most

/** The orders of an answer of several regions, one after the other, over and over: each region comes first as often as its
 * weight says, and gives about as many addresses as the others. At least one order.
 * @param total addresses in one answer */
export function jointOrders<Address extends Weighted>(
  parts: readonly Part<Address>[],
  total: number,
  balance: OrderName,
  random: Random,
): readonly (readonly Address[])[] {
  const [only, ...others] = parts.filter(({ addresses }) => addresses.length > 0);
  if (!only) return [[]];
  if (others.length === 0) return ordersOf(balance, only.addresses, total, random);
  const regions = [only, ...others].map(({ weight, addresses }, i) => ({
    address: String(i),
    weight: Math.max(1, Math.round(weight * weightUnit)),
    orders: ordersOf(balance, addresses, addresses.length, random),
  }));
  const rankings = ordersOf("weighted", regions, regions.length, random);
  const roundsWanted = Math.max(...regions.map(({ orders }) => orders.length));
  const rounds = Math.max(1, Math.min(roundsWanted, Math.floor(ordersMax / rankings.length)));
  // Each place turns on its own: else a region that is first in every other answer would always begin with the same address.
  const turns = new Map<string, number>();
  return Array.from({ length: rounds }, () => rankings).flatMap((round) =>
    round.map((ranked) => {
      const portions = portionsOf(
        ranked.map(({ orders }) => orders[0]?.length ?? 0),
        total,
      );
      return ranked.flatMap(({ address, orders }, place) => {
        const key = `${address} ${place}`;
        const turn = turns.get(key) ?? 0;
        turns.set(key, turn + 1);
        return (orders[turn % orders.length] ?? []).slice(0, portions[place] ?? 0);
      });
    }),
  );
}
