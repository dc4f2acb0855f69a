/** As much of a region as the choice needs. */
export interface RegionHealth {
  readonly name: string;
  readonly healthy: boolean;
}

export interface RegionChoice<Region> {
  /** REGION_FAILOVER: a better region is down. FAIL_OPEN: all are down, so that our checks are the likelier culprit. */
  readonly reason: "OK" | "REGION_FAILOVER" | "FAIL_OPEN";
  /** Those whose addresses answer: one, or every candidate when failing open. */
  readonly chosen: readonly Region[];
  /** The regions of the list that have this service, in its order. */
  readonly candidates: readonly Region[];
}

/** The first healthy region of a list. Never empty while the service has a region: if the list names none of its regions,
 * all of them are candidates. */
export function chooseRegion<Region extends RegionHealth>(
  list: readonly string[],
  regions: ReadonlyMap<string, Region>,
): RegionChoice<Region> {
  const listed = list.map((name) => regions.get(name)).filter((region) => region !== undefined);
  const candidates = listed.length > 0 ? listed : [...regions.values()];
  const healthy = candidates.find((region) => region.healthy);
  if (!healthy) return { reason: "FAIL_OPEN", chosen: candidates, candidates };
  return { reason: healthy === candidates[0] ? "OK" : "REGION_FAILOVER", chosen: [healthy], candidates };
}
