import { Histogram } from "./histogram.ts";

/** How one request of a client ended. */
export interface Outcome {
  /** Where it was answered: a region, or an address that is none's; null if it failed. */
  readonly by: string | null;
  /** Of the answer that came last; null if none came. */
  readonly status: number | null;
  /** Which server answered, where the answer says so (`X-Origin-Server`). */
  readonly server: string | null;
  /** Why it failed, or null. */
  readonly failure: string | null;
  /** Attempts before the last one: other addresses, and the same once more where a kept connection had just been closed. */
  readonly retries: number;
  readonly tookMs: number;
}

/** What a client has seen within some time. */
export interface Counts {
  readonly requests: number;
  readonly failed: number;
  /** Of the client: it went on to the next address of the DNS answer. No failures of the stack. */
  readonly retries: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  /** Answers by region. */
  readonly answers: Readonly<Record<string, number>>;
  /** Answers by HTTP status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What the last failure was. */
  readonly lastFailure: string | null;
}

const answersMax = 64; // regions, or single addresses; more are counted together
const others = "others";

/** Counts outcomes, for the second that runs and in all. */
export class Tally {
  #second = new Sum();
  readonly #total = new Sum();

  add(outcome: Outcome): void {
    this.#second.add(outcome);
    this.#total.add(outcome);
  }

  /** What came since the last call. */
  takeSecond(): Counts {
    const taken = this.#second.counts;
    this.#second = new Sum();
    return taken;
  }

  get total(): Counts {
    return this.#total.counts;
  }
}

class Sum {
  readonly #tookMs = new Histogram();
  readonly #answers: Record<string, number> = {};
  readonly #statuses: Record<string, number> = {};
  #failed = 0;
  #retries = 0;
  #lastFailure: string | null = null;

  add({ by, status, failure, retries, tookMs }: Outcome): void {
    this.#tookMs.add(tookMs);
    this.#retries += retries;
    if (by !== null) count(this.#answers, by);
    if (status !== null) count(this.#statuses, String(status));
    if (failure === null) return;
    this.#failed++;
    this.#lastFailure = failure;
  }

  get counts(): Counts {
    return {
      requests: this.#tookMs.count,
      failed: this.#failed,
      retries: this.#retries,
      p50Ms: round(this.#tookMs.quantileMs(0.5)),
      p99Ms: round(this.#tookMs.quantileMs(0.99)),
      slowestMs: round(this.#tookMs.slowestMs),
      answers: { ...this.#answers },
      statuses: { ...this.#statuses },
      lastFailure: this.#lastFailure,
    };
  }
}

function count(counts: Record<string, number>, key: string): void {
  const known = Object.hasOwn(counts, key) || Object.keys(counts).length < answersMax ? key : others;
  counts[known] = (counts[known] ?? 0) + 1;
}

const round = (valueMs: number): number => Math.round(valueMs * 100) / 100;

/** "DE    58 requests   0 failed   0 retries   p99   12 ms  slowest   12 ms  eu-west 58" */
export function countsText(who: string, counts: Counts): string {
  const { requests, failed, retries, p99Ms, slowestMs, answers, lastFailure } = counts;
  const number = (value: number, what: string) => `${String(value).padStart(5)} ${what}`;
  const places = Object.entries(answers).map(([name, times]) => `${name} ${times}`);
  return [
    who,
    `${number(requests, "requests")}${number(failed, "failed")}${number(retries, "retries")}`,
    `p99${number(Math.round(p99Ms), "ms")}`,
    `slowest${number(Math.round(slowestMs), "ms")}`,
    places.toSorted().join(", "),
    lastFailure === null ? "" : `(${lastFailure})`,
  ]
    .filter((part) => part !== "")
    .join("  ");
}
