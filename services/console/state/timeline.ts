import type { TimelineEvent } from "../model.ts";
import { Ring } from "./ring.ts";

const eventsKept = 2_000; // about 400 KB; a busy drill makes some hundred

const bad = /_(down|ejected|lost|failed|refused|closed|ended|unready|unhealthy|panic)$|^node_unreachable$|^down$/;
const good = /_(up|open|healthy|ready|back|recovered|restored)$|^node_answers$/;

/** State changes of every node, and what was done from consoles, in the order in which they came to be known. */
export class Timeline {
  readonly #kept = new Ring<TimelineEvent>(eventsKept);
  readonly #listeners = new Set<(event: TimelineEvent) => void>();
  #nextId = 1;

  /** What a node told. */
  addFromNode(node: string, { at, type, data }: NodeEvent): void {
    const reason = typeof data["reason"] === "string" ? data["reason"] : "";
    const level = bad.test(type) ? "bad" : good.test(type) ? "good" : "note";
    this.#add({ at, node, type, reason, level, text: factsOf(data) });
  }

  /** What was done here, or seen from here. */
  add(event: Omit<TimelineEvent, "id" | "at">): void {
    this.#add({ at: new Date().toISOString(), ...event });
  }

  #add(event: Omit<TimelineEvent, "id">): void {
    const whole = { id: this.#nextId++, ...event };
    this.#kept.push(whole);
    for (const listener of this.#listeners) listener(whole);
  }

  since(id: number): readonly TimelineEvent[] {
    return this.#kept.items.filter((event) => event.id > id);
  }

  /** @returns how to stop listening */
  subscribe(listener: (event: TimelineEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/** An event as `GET /events` of a node streams it. */
export interface NodeEvent {
  readonly id: number;
  readonly at: string;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

function isPlain(value: unknown): value is string | number | boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** "pool api · api-1 · connect to 127.11.1.100:9000 refused" */
function factsOf(data: NodeEvent["data"]): string {
  const word = (key: string) => (typeof data[key] === "string" ? data[key] : "");
  const known = [
    word("pool") && `pool ${word("pool")}`,
    word("service") && `service ${word("service")}`,
    word("region"),
    word("name") || word("endpoint") || word("listener"),
    word("detail"),
  ].filter((part) => part !== "");
  if (known.length > 0) return known.join(" · ");
  return Object.entries(data)
    .flatMap(([key, value]) => (isPlain(value) && key !== "reason" ? [`${key} ${value}`] : []))
    .join(" · ");
}
