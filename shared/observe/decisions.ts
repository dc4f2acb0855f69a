import type { Clock } from "#shared/core/clock.ts";
import type { EventLog } from "./events.ts";

const decisionsKept = 512; // traces in flight, not a history
const drawnPerSecondMax = 50; // what somebody can read, and one costs as much as fifty answers of a name server
const drawnPrefix = "drawn-";

/** A decision as it was made for one query, request or connection. */
export type Decision = Readonly<Record<string, unknown>>;

/** What was decided for those who asked to be recorded, by their id, and streamed to whoever listens to the events. The
 * oldest are forgotten. */
export class DecisionLog {
  readonly #kept = new Map<string, Decision>();
  readonly #events: EventLog;
  #watchers = 0;
  #second = 0;
  /** Of this second. */
  #drawn = 0;
  #passedOver = 0;
  #lastDrawn = 0;

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** Somebody looks on: of the decisions that nobody asked to be recorded some are drawn too. @returns how to stop */
  watch(): () => void {
    this.#watchers++;
    let isWatching = true;
    return () => {
      if (isWatching) this.#watchers--;
      isWatching = false;
    };
  }

  get isWatched(): boolean {
    return this.#watchers > 0;
  }

  /** Draws a decision that is about to be made. What is over is counted, and told with the first of another second.
   * @returns the id to record it by; undefined if it is one too many, or nobody looks on */
  draw(clock: Clock): string | undefined {
    if (this.#watchers === 0) return undefined;
    const second = Math.floor(clock.nowMs() / 1_000);
    if (second !== this.#second) {
      if (this.#passedOver > 0) this.#events.emit("decisions_passed_over", { count: this.#passedOver }, false);
      this.#second = second;
      this.#drawn = 0;
      this.#passedOver = 0;
    }
    if (this.#drawn === drawnPerSecondMax) {
      this.#passedOver++;
      return undefined;
    }
    this.#drawn++;
    return `${drawnPrefix}${++this.#lastDrawn}`;
  }

  /** What was drawn goes to those who look on, and is not kept: it must not push out what somebody asked for. */
  record(id: string, decision: Decision): void {
    this.#events.emit("decision", { id, ...decision }, false);
    if (id.startsWith(drawnPrefix)) return;
    this.#kept.delete(id);
    this.#kept.set(id, decision);
    if (this.#kept.size <= decisionsKept) return;
    const oldest = this.#kept.keys().next();
    if (!oldest.done) this.#kept.delete(oldest.value);
  }

  find(id: string): Decision | undefined {
    return this.#kept.get(id);
  }
}
