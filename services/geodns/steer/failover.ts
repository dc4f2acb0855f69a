/** As much of a region as the choice needs. */
export interface RegionHealth {
  readonly name: string;
  readonly healthy: boolean;
  /** The state of one of its addresses is about to change, or has just changed for the better. */
  readonly changing: boolean;
}

export interface RegionChoice<Region> {
  /** REGION_FAILOVER: a better region is down. FAIL_OPEN: all are down, so that our checks are the likelier culprit. */
  readonly reason: "OK" | "REGION_FAILOVER" | "FAIL_OPEN";
  /** Those whose addresses answer: `count` at most, or every candidate when failing open. */
  readonly chosen: readonly Region[];
  /** The regions of the list that have this service, in its order. */
  readonly candidates: readonly Region[];
  /** A region that the choice hangs on is changing: one that is chosen, or one before it that is down. */
  readonly changing: boolean;
}

/** The first healthy regions of a list. Never empty while the service has a region: if the list names none of its regions,
 * all of them are candidates.
 * @param count how many regions answer, if so many are healthy */
export function chooseRegions<Region extends RegionHealth>(
  list: readonly string[],
  regions: ReadonlyMap<string, Region>,
  count: number,
): RegionChoice<Region> {
  const listed = list.map((name) => regions.get(name)).filter((region) => region !== undefined);
  const candidates = listed.length > 0 ? listed : [...regions.values()];
  const isAnyChanging = (some: readonly Region[]) => some.some(({ changing }) => changing);
  const wanted = Math.min(count, candidates.length);
  const chosen = candidates.filter(({ healthy }) => healthy).slice(0, wanted);
  if (chosen.length === 0)
    return { reason: "FAIL_OPEN", chosen: candidates, candidates, changing: isAnyChanging(candidates) };
  // As many as are wanted: how far the list was read. Fewer: it was read to its end.
  const last = chosen.at(-1);
  const read = last && chosen.length === wanted ? candidates.indexOf(last) + 1 : candidates.length;
  return {
    reason: read === wanted && chosen.length === wanted ? "OK" : "REGION_FAILOVER",
    chosen,
    candidates,
    changing: isAnyChanging(candidates.slice(0, read)),
  };
}

/** How many addresses each region gives to an answer: one after the other gives one more, until there are enough.
 * @param available of each region */
export function portionsOf(available: readonly number[], total: number): number[] {
  const portions = available.map(() => 0);
  let left = Math.min(
    total,
    available.reduce((sum, count) => sum + count, 0),
  );
  while (left > 0)
    for (const [i, count] of available.entries()) {
      const portion = portions[i] ?? 0;
      if (left === 0 || portion >= count) continue;
      portions[i] = portion + 1;
      left--;
    }
  return portions;
}
