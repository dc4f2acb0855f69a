import type { Candidate } from "./picker.ts";

/** By id, not by identity: a reload in the middle of a request may have made the endpoint anew. */
export function isTried(candidate: Candidate, tried: readonly Candidate[]): boolean {
  for (const one of tried) if (one.id === candidate.id) return true;
  return false;
}
