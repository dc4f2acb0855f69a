/** How one request of a client ended. */
export interface Outcome {
  /** Where it was answered: a region, or an address that is none's; null if it failed. */
  readonly by: string | null;
  /** Why it failed, or null. */
  readonly failure: string | null;
  /** Addresses that were tried before the last one. */
  readonly retries: number;
  readonly tookMs: number;
}

/** What a client has seen within some time. */
export interface Counts {
  readonly requests: number;
  readonly failed: number;
  /** Of the client: it went on to the next address of the DNS answer. No failures of the stack. */
  readonly retries: number;
  readonly slowestMs: number;
  /** Answers by region. */
  readonly answers: Readonly<Record<string, number>>;
  /** What the last failure was. */
  readonly lastFailure: string | null;
}

/** Counts outcomes, for the second that runs and in all. */
export class Tally {
  #second = empty();
  readonly #total = empty();

  add(outcome: Outcome): void {
    for (const counts of [this.#second, this.#total]) {
      counts.requests++;
      counts.retries += outcome.retries;
      counts.slowestMs = Math.max(counts.slowestMs, outcome.tookMs);
      if (outcome.by !== null) counts.answers[outcome.by] = (counts.answers[outcome.by] ?? 0) + 1;
      if (outcome.failure === null) continue;
      counts.failed++;
      counts.lastFailure = outcome.failure;
    }
  }

  /** What came since the last call. */
  takeSecond(): Counts {
    const taken = this.#second;
    this.#second = empty();
    return taken;
  }

  get total(): Counts {
    return this.#total;
  }
}

function empty() {
  const answers: Record<string, number> = {};
  return { requests: 0, failed: 0, retries: 0, slowestMs: 0, answers, lastFailure: null as string | null };
}

/** "DE    58 requests   0 failed   0 retries   slowest   12 ms  eu-west 58" */
export function countsText(who: string, counts: Counts): string {
  const { requests, failed, retries, slowestMs, answers, lastFailure } = counts;
  const number = (value: number, what: string) => `${String(value).padStart(5)} ${what}`;
  const places = Object.entries(answers).map(([name, count]) => `${name} ${count}`);
  return [
    who,
    `${number(requests, "requests")}${number(failed, "failed")}${number(retries, "retries")}`,
    `slowest${number(Math.round(slowestMs), "ms")}`,
    places.toSorted().join(", "),
    lastFailure === null ? "" : `(${lastFailure})`,
  ]
    .filter((part) => part !== "")
    .join("  ");
}
