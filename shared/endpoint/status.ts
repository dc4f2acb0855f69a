import type { Reason } from "#shared/core/error.ts";
import type { BalanceName } from "#shared/config/schema/common.ts";

/** What an operator wants of an endpoint: take new work as the checks say, or whatever they say; finish the old; nothing at all. */
export type AdminState = "enabled" | "up" | "draining" | "disabled";

/** One endpoint as `GET /status` shows it. Moments are ISO 8601, times milliseconds. */
export interface EndpointStatus {
  readonly address: string;
  readonly name: string;
  readonly zone: string | null;
  readonly state: "up" | "down" | "ejected" | "draining" | "disabled" | "unknown";
  readonly eligible: boolean;
  readonly reason: Reason;
  readonly since: string;
  /** Requests or connections under way. */
  readonly active: number;
  readonly weight: number;
  readonly backup: boolean;
  readonly latencyMs: number | null;
  readonly lastCheck: { readonly at: string; readonly passed: boolean; readonly detail: string } | null;
}

/** One pool as `GET /status` shows it. */
export interface PoolStatus {
  readonly name: string;
  readonly balance: BalanceName;
  readonly eligible: number;
  readonly panic: boolean;
  readonly essential: boolean;
  readonly endpoints: readonly EndpointStatus[];
}

/** Why one endpoint was, or was not, taken. */
export interface CandidateReport {
  readonly address: string;
  readonly name: string;
  readonly zone: string | null;
  readonly active: number;
  readonly weight: number;
  /** `OK` for the eligible that the picker chose among, else why this one was not among them. In panic it chose
   * among others too, but not those that drain or are disabled: the reason still says why they are not eligible. */
  readonly reason: Reason;
  readonly picked: boolean;
}

/** The recorded choice of one attempt. */
export interface Choice {
  readonly pool: string;
  readonly balance: BalanceName;
  readonly address: string | null;
  readonly name: string | null;
  readonly zone: string | null;
  /** `OK`, `PANIC`, `ZONE_FAILOVER`, `BACKUP`, `NO_HEALTHY` or `NO_ENDPOINT`. */
  readonly reason: Reason;
  readonly active: number;
  readonly candidates: readonly CandidateReport[];
}

/** What the admin API may do with a pool. */
export interface AdminPool {
  readonly name: string;
  status(): PoolStatus;
  /** @param cutAfterMs of an endpoint that is to drain: what is left then is cut; undefined: nothing is
   * @returns false if there is no such endpoint
   * @throws {UsageError} if this pool cannot cut anything */
  setEndpointState(address: string, state: AdminState, cutAfterMs?: number): boolean;
  /** Holds until the config gives the endpoint another weight.
   * @returns false if there is no such endpoint */
  setEndpointWeight(address: string, weight: number): boolean;
  /** @throws {UsageError} if this pool cannot balance so */
  setBalance(balance: BalanceName): void;
}
