/** The value that `share` of all do not exceed (nearest rank); 0 of none.
 * @param share 0..1 */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function countBy<T>(values: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(keyOf(value), (counts.get(keyOf(value)) ?? 0) + 1);
  return counts;
}

/** How much more the busiest has than its part: 1 is even. Of counts, and the part (weight) that each should have. */
export function imbalance(counts: ReadonlyMap<string, number>, parts: ReadonlyMap<string, number>): number {
  const all = [...parts.keys()].map((key) => counts.get(key) ?? 0).reduce((sum, count) => sum + count, 0);
  const wholePart = [...parts.values()].reduce((sum, part) => sum + part, 0);
  if (all === 0 || wholePart === 0) return 1;
  return Math.max(...Array.from(parts, ([key, part]) => (counts.get(key) ?? 0) / (all * (part / wholePart))));
}
