import type { Random } from "#shared/core/random.ts";

/** What a picker may know of an endpoint: no protocol, no socket. Live values are read at the time of the pick. */
export interface Candidate {
  /** Stable over reloads: "address:port". */
  readonly id: string;
  /** Above 0, up to 1000; already lowered by slow start, so it may be a fraction. */
  readonly weight: number;
  /** Requests or connections under way. */
  readonly active: number;
  /** Peak EWMA of the response time in milliseconds at `nowMs`; 0 while nothing was measured. */
  latencyMs(nowMs: number): number;
}

export interface PickRequest {
  readonly nowMs: number;
  /** What ip-hash hashes, 32 bits: of the client's address, or an affinity bucket. */
  readonly hash: number;
  /** Candidates that this request has tried already; empty at the first attempt. */
  readonly tried: readonly Candidate[];
}

/** Chooses among candidates. Small, knows no protocol; retries come free through `tried`. */
export interface Picker {
  /** Membership, weights or eligibility changed: these, and only these, may be picked from now on. */
  rebuild(candidates: readonly Candidate[]): void;
  /** Index into the list last given, or -1 when none is left. Never throws, awaits or reads a clock. */
  pick(request: PickRequest): number;
}

export type CreatePicker = (random: Random) => Picker;
