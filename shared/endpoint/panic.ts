import type { Endpoint } from "./endpoint.ts";

export interface Census {
  readonly eligible: number;
  readonly panic: boolean;
  /** Whom panic uses. */
  readonly candidates: readonly Endpoint[];
}

/** Counts who is eligible, and whether they are too few.
 *
 * Panic asks how many of those that may be used are eligible: whom the operator or the endpoint itself took out is no sign
 * of trouble. Nor is it that a reload brought endpoints that were not checked yet: they wait, unless nobody is eligible.
 * Backups count only once no other endpoint is eligible.
 * @param thresholdPercent below it all are used; 0: never */
export function takeCensus(endpoints: readonly Endpoint[], thresholdPercent: number): Census {
  const primaries = { usable: 0, eligible: 0 };
  const backups = { usable: 0, eligible: 0 };
  const usable = endpoints.filter((endpoint) => endpoint.usable);
  const anyEligible = usable.some((endpoint) => endpoint.eligible);
  const candidates = anyEligible ? usable.filter((endpoint) => endpoint.known) : usable;
  for (const endpoint of candidates) {
    const kind = endpoint.backup ? backups : primaries;
    kind.usable++;
    if (endpoint.eligible) kind.eligible++;
  }
  const serving = primaries.eligible > 0 ? primaries : backups;
  const tooFew = serving.eligible === 0 || serving.eligible * 100 < thresholdPercent * serving.usable;
  return {
    eligible: primaries.eligible + backups.eligible,
    panic: thresholdPercent > 0 && candidates.length > 0 && tooFew,
    candidates,
  };
}
