import type { WindowRules } from "./outlier-window.ts";

/** What real traffic says of one endpoint. */
export interface OutlierState {
  /** Failures in a row. */
  readonly failures: number;
  /** Ejections in a row; the last one may still last. */
  readonly ejections: number;
  /** Undefined while it is not ejected. */
  readonly ejectedUntilMs: number | undefined;
  /** When its last ejection ended. */
  readonly returnedMs: number;
}

export interface OutlierRules extends WindowRules {
  readonly consecutiveFailures: number;
  readonly ejectForMs: number;
  readonly maxEjectedPercent: number;
}

export const noOutlier: OutlierState = { failures: 0, ejections: 0, ejectedUntilMs: undefined, returnedMs: 0 };

const ejectionsMax = 10; // 5 minutes with the default of 30 s: a server that is really back is not left out for longer

export function afterSuccess(state: OutlierState): OutlierState {
  return state.failures === 0 ? state : { ...state, failures: 0 };
}

/** @param mayEject whether the pool can spare one more: see `canSpare` */
export function afterFailure(
  state: OutlierState,
  nowMs: number,
  rules: OutlierRules,
  mayEject: () => boolean,
): OutlierState {
  if (state.ejectedUntilMs !== undefined) return state;
  const failures = Math.min(state.failures + 1, rules.consecutiveFailures);
  if (failures < rules.consecutiveFailures || !mayEject()) return { ...state, failures };
  return eject(state, nowMs, rules);
}

/** Takes it out, whatever for: longer each time in a row. */
export function eject(state: OutlierState, nowMs: number, rules: OutlierRules): OutlierState {
  const ejections = Math.min(inARow(state, nowMs, rules) + 1, ejectionsMax);
  return { ...state, failures: 0, ejections, ejectedUntilMs: nowMs + rules.ejectForMs * ejections };
}

/** Ejections count as one row while the endpoint fails again sooner than it was out. */
function inARow(state: OutlierState, nowMs: number, rules: OutlierRules): number {
  return nowMs - state.returnedMs <= rules.ejectForMs * state.ejections ? state.ejections : 0;
}

export function afterEjection(state: OutlierState, nowMs: number): OutlierState {
  return { ...state, ejectedUntilMs: undefined, returnedMs: nowMs };
}

/** Whether one more of `total` endpoints may be ejected. */
export function canSpare(ejected: number, total: number, rules: OutlierRules): boolean {
  return (ejected + 1) * 100 <= rules.maxEjectedPercent * total;
}
