import type { Reason } from "#shared/core/error.ts";

export interface Observation {
  readonly passed: boolean;
  readonly atMs: number;
  readonly reason: Reason;
  readonly detail: string;
  /** The endpoint itself said so (503 with reason DRAINING): counts at once. */
  readonly definitive?: boolean;
  /** The check itself could not be made: it is noted, and changes nothing else. */
  readonly inconclusive?: boolean;
}

export interface HealthRules {
  /** Failures in a row that take it down. */
  readonly fall: number;
  /** Passes in a row that bring it back up. */
  readonly rise: number;
}

/** What is known of the health of one endpoint. */
export interface HealthState {
  readonly status: "unknown" | "up" | "down";
  /** When `status` last changed. */
  readonly sinceMs: number;
  /** `OK` while up, `STARTING` while unknown, and why it failed last while down. */
  readonly reason: Reason;
  readonly detail: string;
  readonly lastCheck: { readonly atMs: number; readonly passed: boolean; readonly detail: string } | undefined;
  /** Observations in a row that speak against `status`. */
  readonly against: number;
  /** It is up because it came back, not from the start. */
  readonly cameBack: boolean;
  /** How often in a row it fell soon after it had come back. */
  readonly flaps: number;
  /** It does not come up before this moment. */
  readonly heldUntilMs: number;
}

// A change to down always acts at once, so the bound on changes is kept by the way up: between two ways up lies a minute
// at least, which lets two changes a minute reach traffic. Two falls in a minute are an operator's drill as likely as a
// flapping server: they are not held yet.
const calmMs = 60_000; // up for so long: earlier flaps are forgotten
const flapsForgiven = 1;
const firstHoldMs = 60_000; // from the last way up to the next
const holdMsMax = 300_000; // a server that is really back is not left out for longer

/** Nothing was observed yet. */
export function unknownHealth(atMs: number): HealthState {
  return { ...blank, status: "unknown", sinceMs: atMs, reason: "STARTING", detail: "not checked yet" };
}

/** Up because nobody checks. */
export function assumedHealth(atMs: number): HealthState {
  return { ...blank, status: "up", sinceMs: atMs, reason: "OK", detail: "not checked" };
}

const blank = { lastCheck: undefined, against: 0, cameBack: false, flaps: 0, heldUntilMs: 0 } as const;

/** The state after one more observation. */
export function observe(state: HealthState, observation: Observation, rules: HealthRules): HealthState {
  const { atMs, passed, detail } = observation;
  const seen: HealthState = { ...state, lastCheck: { atMs, passed, detail } };
  if (observation.inconclusive) return seen;
  if (state.status === "unknown") return passed ? goUp(seen, observation) : goDown(seen, observation);
  if (state.status === "up") return passed ? { ...seen, against: 0 } : whileUp(seen, observation, rules);
  return passed ? whileDown(seen, observation, rules) : { ...seen, against: 0, ...why(observation) };
}

/** Up, and a check failed. */
function whileUp(state: HealthState, failure: Observation, rules: HealthRules): HealthState {
  const against = state.against + 1;
  return failure.definitive || against >= rules.fall ? goDown(state, failure) : { ...state, against };
}

/** Down, and a check passed. */
function whileDown(state: HealthState, pass: Observation, rules: HealthRules): HealthState {
  const against = Math.min(state.against + 1, rules.rise);
  if (against < rules.rise) return { ...state, against };
  if (pass.atMs >= state.heldUntilMs) return goUp(state, pass);
  const heldForSeconds = Math.ceil((state.heldUntilMs - pass.atMs) / 1_000);
  return { ...state, against, detail: `passes again, held for ${heldForSeconds} s after flapping` };
}

/** The state once an operator has said that the endpoint is well: it is held no more, and earlier flaps are forgotten. */
export function forgiveFlaps(state: HealthState): HealthState {
  return state.flaps === 0 ? state : { ...state, flaps: 0, heldUntilMs: 0 };
}

function goUp(state: HealthState, pass: Observation): HealthState {
  const cameBack = state.status === "down";
  return { ...state, status: "up", sinceMs: pass.atMs, ...why(pass), against: 0, cameBack };
}

function goDown(state: HealthState, failure: Observation): HealthState {
  const down = {
    ...state,
    status: "down",
    sinceMs: failure.atMs,
    ...why(failure),
    against: 0,
    cameBack: false,
  } as const;
  const calm = !state.cameBack || failure.atMs - state.sinceMs >= calmMs;
  if (calm) return { ...down, flaps: 0, heldUntilMs: 0 };
  if (failure.definitive) return down; // Announced: a restart is no flap.
  const flaps = state.flaps + 1;
  if (flaps <= flapsForgiven) return { ...down, flaps };
  const holdMs = Math.min(firstHoldMs * 2 ** (flaps - flapsForgiven - 1), holdMsMax);
  return { ...down, flaps, heldUntilMs: state.sinceMs + holdMs };
}

function why(observation: Observation): { reason: Reason; detail: string } {
  return { reason: observation.reason, detail: observation.detail };
}
