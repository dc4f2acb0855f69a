import type { RouteConfig } from "#shared/config/schema/l7-router.ts";
import type { Random } from "#shared/core/random.ts";

/** What a drill does to one request. */
export interface Fault {
  readonly delayMs: number;
  /** The status instead of an answer. */
  readonly abort: number | undefined;
}

const none: Fault = { delayMs: 0, abort: undefined };

/** Draws for one request whether it is delayed, and whether it is aborted, each on its own. */
export function faultOf({ fault }: RouteConfig, random: Random): Fault {
  if (!fault) return none;
  const delayMs = fault.delay !== undefined && random() * 100 < fault.delayPercent ? fault.delay : 0;
  const aborts = fault.abort !== undefined && random() * 100 < fault.abortPercent;
  return { delayMs, abort: aborts ? fault.abort : undefined };
}
