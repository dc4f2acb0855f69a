import type { Reason } from "#shared/core/error.ts";
import type { HealthConfig, ProxyVersion } from "#shared/config/schema/common.ts";

/** What is checked, and from where. */
export interface CheckTarget {
  readonly host: string;
  readonly port: number;
  /** Source address of the check. */
  readonly localAddress?: string | undefined;
  /** The listener wants a PROXY header: the check begins with one that says LOCAL. */
  readonly proxyProtocol?: ProxyVersion | undefined;
}

export interface CheckResult {
  readonly passed: boolean;
  /** `OK`, `CHECK_STATUS`, `CHECK_TIMEOUT`, `CHECK_REFUSED`, `CHECK_FAILED` or `DRAINING`. */
  readonly reason: Reason;
  /** For people: "status 500", "connect to 127.0.0.1:9000 refused". */
  readonly detail: string;
  /** The endpoint itself said so: counts at once. */
  readonly definitive?: boolean;
  /** This machine could not make the check, so it says nothing of the endpoint: changes no state. */
  readonly inconclusive?: boolean;
}

/** One check of one target. It only observes; the state machine decides.
 * Never rejects, and settles soon after `signal` aborts, which means that its time is over. */
export type Check = (target: CheckTarget, config: HealthConfig, signal: AbortSignal) => Promise<CheckResult>;
