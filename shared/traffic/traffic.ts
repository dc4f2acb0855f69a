import type { Clock, Timer } from "#shared/core/clock.ts";
import { assert } from "#shared/core/error.ts";
import { seededRandom } from "#shared/core/random.ts";
import type { Random } from "#shared/core/random.ts";
import { drawGapMs, drawMix, scaleRates, seedOf } from "./plan.ts";
import type { MixEntry } from "./plan.ts";
import { Tally } from "./tally.ts";
import type { Counts, Outcome } from "./tally.ts";
import type { Asks } from "./workers.ts";

const secondMs = 1_000;
const lateMsMax = 1_000; // behind by more than this (the machine slept), the missed requests are not made up for
const sourcesMax = 64; // more than a topology has test clients
const finishMs = 1_000; // what is under way when it stops may still end within this

/** Clients of one country. */
export interface Source {
  /** "DE", or an address */
  readonly name: string;
  readonly ratePerSecond: number;
  /** One or more; each request is sent by one of them, by chance. */
  readonly callers: readonly Asks[];
}

export interface TrafficOptions {
  readonly seed: number;
  readonly sources: readonly Source[];
  readonly mix: readonly MixEntry[];
  /** Of all sources together. A request that is due while so many are under way is not sent, and counted as held. */
  readonly inFlightMax: number;
  readonly clock: Clock;
  onOutcome?(outcome: Outcome, source: string, entry: MixEntry): void;
  /** Once a second, after `second` of the status has changed. */
  onSecond?(): void;
}

export interface SourceStatus {
  readonly name: string;
  readonly ratePerSecond: number;
  readonly second: Counts;
  readonly total: Counts;
}

export interface TrafficStatus {
  readonly seed: number;
  /** Wanted, of all sources. */
  readonly ratePerSecond: number;
  readonly inFlight: number;
  /** Not sent: too many were under way. */
  readonly held: number;
  readonly sources: readonly SourceStatus[];
  /** The last whole second. */
  readonly second: Counts;
  readonly total: Counts;
}

interface Stream {
  readonly source: Source;
  readonly tally: Tally;
  readonly drawEntry: () => MixEntry;
  readonly drawCaller: Random;
  readonly drawGap: Random;
  ratePerSecond: number;
  nextMs: number;
  timer: Timer | undefined;
  second: Counts;
}

/** Traffic of clients that come by chance, at a rate that may change while it runs. Which requests a country sends, and in
 * which order, follows from the seed alone; when they are sent also from its rate. */
export class Traffic {
  readonly #options: TrafficOptions;
  readonly #streams: Stream[] = [];
  readonly #all = new Tally();
  readonly #underWay = new Set<Promise<void>>();
  #second: Counts = new Tally().total;
  #held = 0;
  #isStopping = false;
  #isOver = false;
  #ticks: Timer;

  constructor(options: TrafficOptions) {
    assert(options.mix.length > 0, "there is something to send");
    this.#options = options;
    this.#ticks = this.#tickIn();
    for (const source of options.sources) this.addSource(source);
  }

  /** Clients of one more country. What the others send stays the same.
   * @returns false if that one is there, or there are too many */
  addSource(source: Source): boolean {
    if (this.#streams.length >= sourcesMax || this.#streams.some((one) => one.source.name === source.name))
      return false;
    const stream = newStream(source, this.#options);
    this.#streams.push(stream);
    this.#schedule(stream);
    return true;
  }

  get status(): TrafficStatus {
    return {
      seed: this.#options.seed,
      ratePerSecond: this.#streams.reduce((sum, stream) => sum + stream.ratePerSecond, 0),
      inFlight: this.#underWay.size,
      held: this.#held,
      sources: this.#streams.map(({ source, ratePerSecond, tally, second }) => {
        return { name: source.name, ratePerSecond, second, total: tally.total };
      }),
      second: this.#second,
      total: this.#all.total,
    };
  }

  /** Sets the rate of all sources together; each keeps its share. */
  setRate(ratePerSecond: number): void {
    const rates = Object.fromEntries(this.#streams.map((stream) => [stream.source.name, stream.ratePerSecond]));
    for (const [name, rate] of Object.entries(scaleRates(rates, ratePerSecond))) this.setSourceRate(name, rate);
  }

  /** @returns false if there is no such source */
  setSourceRate(name: string, ratePerSecond: number): boolean {
    const stream = this.#streams.find(({ source }) => source.name === name);
    if (!stream) return false;
    stream.ratePerSecond = ratePerSecond;
    this.#schedule(stream); // Drawn anew: with arrivals by chance, the time waited so far says nothing.
    return true;
  }

  /** Sends nothing any more, and ends the connections. What has not ended within a second is not counted. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#ticks.cancel();
    for (const { timer } of this.#streams) timer?.cancel();
    const limit = Promise.withResolvers<void>();
    const timer = this.#options.clock.after(finishMs, limit.resolve);
    await Promise.race([Promise.all(this.#underWay), limit.promise]);
    timer.cancel();
    this.#isOver = true;
    for (const { source } of this.#streams) for (const caller of source.callers) caller.close();
  }

  #schedule(stream: Stream): void {
    stream.timer?.cancel();
    stream.timer = undefined;
    if (stream.ratePerSecond <= 0 || this.#isStopping) return;
    const nowMs = this.#options.clock.nowMs();
    stream.nextMs = nowMs + drawGapMs(stream.ratePerSecond, stream.drawGap);
    this.#wait(stream, nowMs);
  }

  #wait(stream: Stream, nowMs: number): void {
    stream.timer = this.#options.clock.after(stream.nextMs - nowMs, () => this.#sendDue(stream));
  }

  /** Timers come late by a millisecond or so: all that is due by now is sent, and the rate holds. */
  #sendDue(stream: Stream): void {
    const nowMs = this.#options.clock.nowMs();
    if (nowMs - stream.nextMs > lateMsMax) stream.nextMs = nowMs;
    while (stream.nextMs <= nowMs) {
      this.#send(stream);
      stream.nextMs += drawGapMs(stream.ratePerSecond, stream.drawGap);
    }
    this.#wait(stream, nowMs);
  }

  #send(stream: Stream): void {
    // Drawn also where it is held: what comes after it stays the same.
    const entry = stream.drawEntry();
    const { name, callers } = stream.source;
    const caller = callers[Math.floor(stream.drawCaller() * callers.length)];
    if (!caller || this.#underWay.size >= this.#options.inFlightMax) {
      this.#held++;
      return;
    }
    const sent = caller.ask(entry).then((outcome) => {
      this.#underWay.delete(sent);
      if (this.#isOver) return;
      stream.tally.add(outcome);
      this.#all.add(outcome);
      this.#options.onOutcome?.(outcome, name, entry);
    });
    this.#underWay.add(sent);
  }

  #tickIn(): Timer {
    return this.#options.clock.after(secondMs, () => {
      for (const stream of this.#streams) stream.second = stream.tally.takeSecond();
      this.#second = this.#all.takeSecond();
      this.#ticks = this.#tickIn();
      this.#options.onSecond?.();
    });
  }
}

function newStream(source: Source, { seed, mix }: TrafficOptions): Stream {
  const tally = new Tally();
  const random = (what: string) => seededRandom(seedOf(seed, `${source.name} ${what}`));
  return {
    source,
    tally,
    drawEntry: drawMix(mix, random("mix")),
    drawCaller: random("caller"),
    drawGap: random("gap"),
    ratePerSecond: source.ratePerSecond,
    nextMs: 0,
    timer: undefined,
    second: tally.total,
  };
}
