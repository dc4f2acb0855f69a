import type { Topology } from "#shared/config/schema/topology.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Snapshot, TrafficView } from "../model.ts";
import { History } from "./history.ts";
import { Timeline } from "./timeline.ts";
import { viewOf } from "./view.ts";
import { NodeWatch, wait } from "./watch.ts";
import type { AskNode } from "./watch.ts";

const watchedEveryMs = 500; // somebody looks
const unwatchedEveryMs = 1_000; // only the history is kept

/** What the console knows of the stack: the newest snapshot, ten minutes of history, the time line. */
export class StackState {
  readonly timeline = new Timeline();
  readonly history = new History();
  readonly #topology: Topology;
  readonly #watches: readonly NodeWatch[];
  readonly #traffic: () => TrafficView | null;
  readonly #listeners = new Set<(text: string) => void>();
  #latest: Snapshot | undefined;
  #latestText: string | undefined;
  #nextId = 1;

  constructor(topology: Topology, nodes: readonly TopologyNode[], ask: AskNode, traffic: () => TrafficView | null) {
    this.#topology = topology;
    this.#traffic = traffic;
    this.#watches = nodes.map((node) => new NodeWatch(node, ask, this.timeline));
  }

  get latest(): Snapshot | undefined {
    return this.#latest;
  }

  /** The newest snapshot as JSON: made once for all pages and the history. */
  get latestText(): string | undefined {
    return this.#latestText;
  }

  /** Asks every node again and again until `stop`. Never rejects. */
  async run(stop: AbortSignal): Promise<void> {
    const following = this.#watches.map((watch) => watch.follow(stop));
    while (!stop.aborted) {
      const startedMs = performance.now();
      const reports = await Promise.all(this.#watches.map((watch) => watch.report()));
      const at = { id: this.#nextId++, atMs: Date.now() };
      this.#latest = viewOf(this.#topology, reports, this.#traffic(), at);
      this.#latestText = JSON.stringify(this.#latest);
      this.history.push(this.#latest, this.#latestText);
      for (const listener of this.#listeners) listener(this.#latestText);
      const everyMs = this.#listeners.size > 0 ? watchedEveryMs : unwatchedEveryMs;
      await wait(Math.max(100, everyMs - (performance.now() - startedMs)), stop);
    }
    await Promise.all(following);
  }

  /** Calls with every new snapshot, as JSON.
   * @returns how to stop listening */
  subscribe(listener: (text: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
