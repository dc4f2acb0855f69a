import type { EventLog } from "./events.ts";

const decisionsKept = 512; // traces in flight, not a history

/** A decision as it was made for one query, request or connection. */
export type Decision = Readonly<Record<string, unknown>>;

/** What was decided for those who asked to be recorded, by their id, and streamed to whoever listens to the events. The
 * oldest are forgotten. */
export class DecisionLog {
  readonly #kept = new Map<string, Decision>();
  readonly #events: EventLog;

  constructor(events: EventLog) {
    this.#events = events;
  }

  record(id: string, decision: Decision): void {
    this.#kept.delete(id);
    this.#kept.set(id, decision);
    this.#events.emit("decision", { id, ...decision }, false);
    if (this.#kept.size <= decisionsKept) return;
    const oldest = this.#kept.keys().next();
    if (!oldest.done) this.#kept.delete(oldest.value);
  }

  find(id: string): Decision | undefined {
    return this.#kept.get(id);
  }
}
