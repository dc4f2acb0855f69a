const decisionsKept = 512; // traces in flight, not a history

/** A decision as it was made for one query, request or connection. */
export type Decision = Readonly<Record<string, unknown>>;

/** What was decided for those who asked to be recorded, by their id. The oldest are forgotten. */
export class DecisionLog {
  readonly #kept = new Map<string, Decision>();

  record(id: string, decision: Decision): void {
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
