import { fillTable, permutationOf } from "#shared/balance/maglev.ts";
import { SmoothWeights } from "#shared/balance/smooth-weights.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";
import type { SlotCandidate, SlotPlan } from "./model.ts";

const exactSlotsMax = 1_024; // a whole cycle of the weights, while it is no longer than this
const roundedSlotsPerServer = 16; // else shares are right within 6 % of one server's
const slotsMax = 16_384; // a longer map makes every listing slow

/* Primes. A share is right within 1 % of itself while there are 100 slots for each server. */
const hashSlots = [1_021, 10_007, 65_521] as const;
const slotsPerHashedServer = 100;

/** Deals the slots of a service's map out to those who may be used.
 * @returns slots of indices into `candidates`; none if there are none */
export function dealSlots(balance: BalanceName, candidates: readonly SlotCandidate[]): SlotPlan {
  switch (balance) {
    case "round-robin":
      return { by: "inc", slots: candidates.map((_, i) => i) };
    case "weighted":
      return { by: "inc", slots: interleave(candidates.map(({ weight }) => weight)) };
    case "random":
      return { by: "random", slots: interleave(candidates.map(({ weight }) => weight)) };
    case "ip-hash":
      return { by: "hash", slots: hashed(candidates) };
    case "least-connections":
      return { by: "inc", slots: interleave(candidates.map(({ weight, active }) => weight / (active + 1))) };
    case "power-of-two":
      return { by: "random", slots: interleave(candidates.map(({ weight, active }) => weight / (active + 1))) };
    case "least-response-time":
      return { by: "inc", slots: interleave(responseShares(candidates)) };
  }
}

/** Smooth weighted round robin over one cycle. Numbers that are dealt out in ranges would come in bursts, since the kernel
 * counts through the slots one by one. */
export function interleave(weights: readonly number[]): number[] {
  if (weights.every((weight) => weight === weights[0])) return weights.map((_, i) => i);
  const smooth = new SmoothWeights();
  smooth.rebuild(weights.map((weight, i) => ({ id: String(i), weight, active: 0, latencyMs: () => 0 })));
  const open = new Uint8Array(weights.length).fill(1);
  return Array.from({ length: cycleOf(weights) }, () => smooth.next(open));
}

/** Turns of one whole cycle of the weights; where that is too long, or they are no whole numbers, as many as do. */
function cycleOf(weights: readonly number[]): number {
  if (weights.every((weight) => Number.isInteger(weight))) {
    const divisor = weights.reduce(greatestCommonDivisor);
    const cycle = weights.reduce((sum, weight) => sum + weight / divisor, 0);
    if (cycle <= exactSlotsMax) return cycle;
  }
  return Math.min(slotsMax, Math.max(weights.length, weights.length * roundedSlotsPerServer));
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** A Maglev table: when a server comes or goes hardly any other client moves. */
function hashed(candidates: readonly SlotCandidate[]): number[] {
  if (candidates.length === 0) return [];
  const wanted = candidates.length * slotsPerHashedServer;
  const size = hashSlots.find((slots) => slots >= wanted) ?? hashSlots[2];
  const order = candidates.map((candidate, i) => ({ candidate, i }));
  order.sort((a, b) => (a.candidate.id < b.candidate.id ? -1 : 1)); // It depends on who is there, not on their order.
  const table = fillTable(
    size,
    order.map(({ candidate }) => permutationOf(candidate.id, size)),
    order.map(({ candidate }) => candidate.weight),
  );
  return Array.from(table, (place) => order[place]?.i ?? 0);
}

/** Weight over latency and load. Whoever was not measured yet counts as an average one. */
function responseShares(candidates: readonly SlotCandidate[]): number[] {
  const measured = candidates.filter(({ latencyMs }) => latencyMs > 0);
  const averageMs = measured.reduce((sum, { latencyMs }) => sum + latencyMs, 0) / measured.length;
  return candidates.map(({ weight, active, latencyMs }) => weight / ((latencyMs || averageMs || 1) * (active + 1)));
}
