const shareMin = 0.1; // with less, an endpoint beside busy ones would get nothing to warm up with
const stepsPerStart = 20; // steps of 5 % are finer than anybody can see in traffic
const stepMsMin = 250;

/** The share of its weight that an endpoint has `elapsedMs` after it came back: grows in a straight line to 1. */
export function slowStartShare(elapsedMs: number, slowStartMs: number): number {
  if (elapsedMs >= slowStartMs) return 1;
  return Math.max(shareMin, elapsedMs / slowStartMs);
}

/** From one change of the weights to the next. */
export function slowStartStepMs(slowStartMs: number): number {
  return Math.max(stepMsMin, slowStartMs / stepsPerStart);
}
