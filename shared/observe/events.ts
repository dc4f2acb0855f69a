/** A change of state or a decision, as `GET /events` streams it. */
export interface WatershedEvent {
  /** Rises by one from event to event of a process. */
  readonly id: number;
  /** Wall clock, ISO 8601. */
  readonly at: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const eventsKept = 1_000; // enough for a subscriber to reconnect within minutes; about 500 KB

/** The last events of a process, and whoever listens. */
export class EventLog {
  readonly #kept: WatershedEvent[] = [];
  readonly #listeners = new Set<(event: WatershedEvent) => void>();
  #nextId = 1;

  /** @param keep for whoever connects later; what many could cause shall not push out what matters */
  emit(type: string, data: Readonly<Record<string, unknown>>, keep = true): void {
    const event = { id: this.#nextId++, at: new Date().toISOString(), type, data };
    if (keep) this.#kept.push(event);
    if (this.#kept.length > eventsKept) this.#kept.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Events after `lastId` that are still kept, oldest first. */
  since(lastId: number): readonly WatershedEvent[] {
    return this.#kept.filter((event) => event.id > lastId);
  }

  /** @returns how to stop listening */
  subscribe(listener: (event: WatershedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
