import type { HealthState } from "#shared/health/state.ts";

const ttlMinFloorSeconds = 5; // shorter ones multiply queries without moving clients much sooner

/** Whether the state of an address may change any moment: a check said the contrary of it, or it came back less than a TTL
 * ago. Ends by itself: checks in a row decide one way or the other, and coming back lasts one TTL.
 * @param ttlMs of the service */
export function isChanging({ status, against, cameBack, sinceMs }: HealthState, nowMs: number, ttlMs: number): boolean {
  if (status === "unknown") return false;
  return against > 0 || (status === "up" && cameBack && nowMs - sinceMs < ttlMs);
}

/** Seconds that answers may be kept while a region is changing, unless the config says so.
 * @param ttl seconds, of the service */
export function defaultTtlMin(ttl: number): number {
  return Math.min(ttl, Math.max(ttlMinFloorSeconds, Math.floor(ttl / 2)));
}
