import type { BalanceName } from "#shared/config/schema/common.ts";
import type { Reason } from "#shared/core/error.ts";
import type { Endpoint } from "./endpoint.ts";
import { isTried } from "./group.ts";
import type { CandidateReport, Choice, EndpointStatus } from "./status.ts";

/** A choice as it was made. */
interface MadeChoice {
  readonly pool: string;
  readonly balance: BalanceName;
  readonly choice: { readonly endpoint: Endpoint | undefined; readonly reason: Reason };
  readonly tried: readonly Endpoint[];
  /** Among whom the picker chose. */
  readonly members: readonly Endpoint[];
  readonly endpoints: readonly Endpoint[];
}

export function describeChoice({ pool, balance, choice, tried, members, endpoints }: MadeChoice): Choice {
  const { endpoint: picked, reason } = choice;
  const asked = new Set(members);
  const candidates = endpoints.map((endpoint): CandidateReport => ({
    address: endpoint.id,
    name: endpoint.name,
    zone: endpoint.zone ?? null,
    active: endpoint.active,
    weight: rounded(endpoint.weight),
    reason: candidateReason(endpoint, tried, asked),
    picked: endpoint === picked,
  }));
  return {
    pool,
    balance,
    address: picked?.id ?? null,
    name: picked?.name ?? null,
    zone: picked?.zone ?? null,
    reason,
    active: picked?.active ?? 0,
    candidates,
  };
}

function candidateReason(endpoint: Endpoint, tried: readonly Endpoint[], asked: ReadonlySet<Endpoint>): Reason {
  if (isTried(endpoint, tried)) return "ALREADY_TRIED";
  if (!endpoint.eligible) return endpoint.reason; // In panic too, where it may be picked: this is why there is one.
  if (asked.has(endpoint)) return "OK";
  return endpoint.backup ? "BACKUP" : "OTHER_ZONE";
}

/** @param toIso the wall clock's time of a monotonic moment, ISO 8601 */
export function describeEndpoint(endpoint: Endpoint, nowMs: number, toIso: (atMs: number) => string): EndpointStatus {
  const { standing, health } = endpoint;
  const check = health.lastCheck;
  const latencyMs = endpoint.latencyMs(nowMs);
  return {
    address: endpoint.id,
    name: endpoint.name,
    zone: endpoint.zone ?? null,
    state: standing.state,
    eligible: standing.eligible,
    reason: standing.reason,
    since: toIso(endpoint.sinceMs),
    active: endpoint.active,
    weight: rounded(endpoint.weight),
    backup: endpoint.backup,
    latencyMs: rounded(latencyMs) || null,
    lastCheck: check ? { at: toIso(check.atMs), passed: check.passed, detail: check.detail } : null,
  };
}

/** @param wallMs wall clock less the monotonic one
 * @returns the wall clock's time of a monotonic moment, ISO 8601 */
export function isoSince(wallMs: number): (atMs: number) => string {
  return (atMs) => new Date(wallMs + atMs).toISOString();
}

/** Three places behind the point, for people. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
