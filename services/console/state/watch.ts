import { SseReader } from "#shared/observe/sse-reader.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { Report } from "./view.ts";
import { readMetrics } from "./metrics-text.ts";
import { RateMeter, metricNames, noRates } from "./rates.ts";
import type { NodeEvent, Timeline } from "./timeline.ts";

const answerLimitMs = 900;
const retryMs = 1_000;

/** How the console reads a node. */
export interface AskNode {
  /** GET of its admin API.
   * @throws an error whose message says why nothing came */
  (node: TopologyNode, path: string, signal: AbortSignal): Promise<Response>;
}

/** Keeps what one node says: its status and counters whenever asked, its events as they come. */
export class NodeWatch {
  readonly node: TopologyNode;
  readonly #ask: AskNode;
  readonly #timeline: Timeline;
  readonly #meter = new RateMeter();
  #answers: boolean | undefined;

  constructor(node: TopologyNode, ask: AskNode, timeline: Timeline) {
    this.node = node;
    this.#ask = ask;
    this.#timeline = timeline;
  }

  /** Asks for status and metrics. Never rejects. */
  async report(): Promise<Report> {
    try {
      const signal = AbortSignal.timeout(answerLimitMs);
      const [status, metrics] = await Promise.all([
        this.#ask(this.node, "/status", signal).then((reply) => reply.json()),
        this.#ask(this.node, "/metrics", signal).then((reply) => reply.text()),
      ]);
      this.#tell(true, "");
      const rates = this.#meter.push(readMetrics(metrics, metricNames), performance.now());
      return { node: this.node, status: status as Record<string, unknown>, error: "", rates };
    } catch (error) {
      const why = reasonOf(error);
      this.#meter.reset();
      this.#tell(false, why);
      return { node: this.node, status: null, error: why, rates: noRates };
    }
  }

  #tell(answers: boolean, reason: string): void {
    const before = this.#answers;
    this.#answers = answers;
    if (before === answers || (before === undefined && answers)) return;
    const type = answers ? "node_answers" : "node_unreachable";
    this.#timeline.add({ node: this.node.name, type, text: "", reason, level: answers ? "good" : "bad" });
  }

  /** Follows its events until `stop`, coming back by itself. */
  async follow(stop: AbortSignal): Promise<void> {
    let lastId = 0;
    while (!stop.aborted) {
      try {
        const reply = await this.#ask(this.node, `/events?since=${lastId}`, stop);
        const reader = new SseReader();
        for await (const text of (reply.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream()))
          for (const { data } of reader.push(text)) {
            const event = JSON.parse(data) as NodeEvent;
            if (event.id <= lastId) lastId = 0; // It began anew.
            lastId = event.id;
            if (event.type !== "decision") this.#timeline.addFromNode(this.node.name, event);
          }
      } catch {
        lastId = 0; // It is gone, or broken: what it kept may be another process's by then.
      }
      await wait(retryMs, stop);
    }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "TIMEOUT";
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (code === "ECONNREFUSED") return "CONNECT_REFUSED";
  return code || (error instanceof Error ? error.message : String(error));
}

/** Resolves after that time, or at once when stopped. */
export function wait(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) return resolve();
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      stop.removeEventListener("abort", done);
      resolve();
    }
    stop.addEventListener("abort", done);
  });
}
