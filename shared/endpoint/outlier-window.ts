/** Which shares and times of one window of real traffic eject. */
export interface WindowRules {
  /** Undefined: failures are only counted in a row. */
  readonly errorPercent?: number | undefined;
  /** Times the median of the other endpoints; undefined: slowness does not eject. */
  readonly slowerThan?: number | undefined;
  readonly windowMs: number;
  /** Fewer requests say nothing. */
  readonly requestsMin: number;
}

/** What real traffic said of one endpoint in one span of time. Counted in place: this is done for every request. */
export class OutlierWindow {
  #beganMs = 0;
  #requests = 0;
  #failures = 0;
  #answers = 0;
  #sumMs = 0;
  #meanMs: number | undefined;
  /** A window has ended since the mean was last looked at. */
  #isJudgementDue = false;

  /** Mean time to the first byte in the last window that was over and had enough answers; undefined without. */
  get meanMs(): number | undefined {
    return this.#meanMs;
  }

  /** A request has ended, well or not.
   * @returns why its endpoint should be ejected, for people, if it should */
  count(failed: boolean, nowMs: number, rules: WindowRules): string | undefined {
    this.#turn(nowMs, rules);
    this.#requests++;
    if (!failed) return undefined;
    this.#failures++;
    const { errorPercent, requestsMin } = rules;
    if (errorPercent === undefined || this.#requests < requestsMin) return undefined;
    const isTooMuch = this.#failures * 100 >= errorPercent * this.#requests;
    return isTooMuch ? `after ${this.#failures} of ${this.#requests} requests failed` : undefined;
  }

  /** An answer has begun.
   * @param medianOfOthersMs of their means; asked for once a window
   * @returns why its endpoint should be ejected, for people, if it should */
  time(
    latencyMs: number,
    nowMs: number,
    rules: WindowRules,
    medianOfOthersMs: () => number | undefined,
  ): string | undefined {
    this.#turn(nowMs, rules);
    this.#answers++;
    this.#sumMs += latencyMs;
    const { slowerThan } = rules;
    if (!this.#isJudgementDue || slowerThan === undefined) return undefined;
    this.#isJudgementDue = false;
    if (this.#meanMs === undefined) return undefined;
    const othersMs = medianOfOthersMs();
    if (othersMs === undefined || this.#meanMs <= othersMs * slowerThan) return undefined;
    return `after ${this.#meanMs.toFixed(1)} ms on average, others ${othersMs.toFixed(1)} ms`;
  }

  /** Forgets all: it was ejected, and what it was before is no longer true. */
  clear(): void {
    this.#requests = this.#failures = this.#answers = this.#sumMs = 0;
    this.#meanMs = undefined;
  }

  #turn(nowMs: number, { windowMs, requestsMin }: WindowRules): void {
    if (nowMs - this.#beganMs < windowMs) return;
    const meanMs = this.#answers >= requestsMin ? this.#sumMs / this.#answers : undefined;
    this.clear();
    this.#meanMs = meanMs;
    this.#beganMs = nowMs;
    this.#isJudgementDue = true;
  }
}

interface Timed {
  readonly eligible: boolean;
  readonly meanMs: number | undefined;
}

/** The middle one of the means of all eligible but one, or the lower of the two in the middle: a few slow ones do not make
 * slowness normal. Undefined where none has a mean. */
export function medianMeanMs(all: readonly Timed[], except: Timed): number | undefined {
  const means: number[] = [];
  for (const one of all) if (one !== except && one.eligible && one.meanMs !== undefined) means.push(one.meanMs);
  return means.toSorted((a, b) => a - b)[Math.floor((means.length - 1) / 2)];
}
