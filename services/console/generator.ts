import { systemClock } from "#shared/core/clock.ts";
import { UsageError } from "#shared/core/error.ts";
import { defaultMix, mixEntriesMax, parseMixEntry, rateMax } from "#shared/traffic/plan.ts";
import { sourceOf } from "#shared/traffic/sources.ts";
import type { TrafficStack } from "#shared/traffic/sources.ts";
import { Traffic } from "#shared/traffic/traffic.ts";
import type { TrafficView } from "./model.ts";

const inFlightMax = 256; // each holds a socket here and several in the stack
const clients = 4; // of each country

/** What a page wants sent. */
export interface TrafficWish {
  /** Requests per second by country; 0 ends a country. */
  readonly rates: Readonly<Record<string, number>>;
  /** "GET /api/users 5": kinds of requests with their weights; none: a usual mix. */
  readonly mix?: readonly string[] | undefined;
  readonly seed?: number | undefined;
}

/** The traffic generator of the console: real requests, which resolve names at the name servers as their country would. */
export class TrafficGenerator {
  readonly #stack: TrafficStack;
  #traffic: Traffic | undefined;
  #mix = "";

  constructor(stack: TrafficStack) {
    this.#stack = stack;
  }

  /** @throws {UsageError} for a country that is none, or a rate out of bounds */
  async set({ rates, mix = [], seed = 1 }: TrafficWish): Promise<void> {
    if (mix.length > mixEntriesMax) throw new UsageError(`${mixEntriesMax} kinds of requests at most`);
    const entries = mix.length > 0 ? mix.map(parseMixEntry) : [...defaultMix];
    const sum = Object.values(rates).reduce((all, rate) => all + rate, 0);
    if (!(sum <= rateMax)) throw new UsageError(`${sum} requests a second are too many: ${rateMax} at most`);
    const sources = Object.entries(rates).map(([country, rate]) =>
      sourceOf(this.#stack, country, rate, { clients, keepConnections: true }),
    );
    const wanted = JSON.stringify({ entries, seed });
    if (this.#traffic && this.#mix !== wanted) await this.stop();
    this.#mix = wanted;
    this.#traffic ??= new Traffic({ seed, sources: [], mix: entries, inFlightMax, clock: systemClock });
    for (const source of sources)
      if (!this.#traffic.setSourceRate(source.name, source.ratePerSecond)) this.#traffic.addSource(source);
    for (const { name } of this.#traffic.status.sources) if (!(name in rates)) this.#traffic.setSourceRate(name, 0);
  }

  async stop(): Promise<void> {
    const traffic = this.#traffic;
    this.#traffic = undefined;
    await traffic?.stop();
  }

  view(): TrafficView | null {
    if (!this.#traffic) return null;
    const { seed, ratePerSecond, sources, total } = this.#traffic.status;
    return {
      seed,
      wanted: ratePerSecond,
      total: total.requests,
      failed: total.failed,
      lastFailure: total.lastFailure,
      countries: sources
        .filter(({ ratePerSecond: wanted, second }) => wanted > 0 || second.requests > 0)
        .map(({ name, ratePerSecond: wanted, second }) => ({
          country: name,
          wanted,
          requests: second.requests,
          failed: second.failed,
          retries: second.retries,
          p50Ms: second.p50Ms,
          p99Ms: second.p99Ms,
          answers: second.answers,
        })),
    };
  }
}
