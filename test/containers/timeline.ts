import type { Counts, LoadRun } from "./load-run.ts";
import { between } from "./load-run.ts";

/** What happened in one drill, and when: printed as a whole, so that lines of others do not stand between. */
export class Timeline implements Disposable {
  readonly #title: string;
  readonly #startedMs = performance.now();
  readonly #lines: string[] = [];
  readonly #stops: (() => void)[];
  /** Moment of the start of each failed request. */
  readonly #failedMs = new Map<string, number[]>();

  constructor(title: string, loads: readonly LoadRun[]) {
    this.#title = title;
    this.#stops = loads.map((load) => this.#follow(load));
  }

  /** Since the beginning of the drill. */
  get nowMs(): number {
    return performance.now() - this.#startedMs;
  }

  mark(what: string): void {
    this.#add(this.nowMs, what);
  }

  /** Waits for something, and notes when it came. @returns that moment */
  async seen(what: string, event: Promise<unknown>): Promise<number> {
    await event;
    this.mark(what);
    return this.nowMs;
  }

  /** When the failed requests of a client were begun. */
  failuresOf(client: string): readonly number[] {
    return this.#failedMs.get(client) ?? [];
  }

  /** One line whenever a client sees something else than in the tick before. */
  #follow(load: LoadRun): () => void {
    let last: Counts | undefined;
    let lastText = "";
    const failed: number[] = [];
    this.#failedMs.set(load.client, failed);
    return load.onLine((line) => {
      if (line.kind === "failure") {
        failed.push(this.nowMs - line.tookMs);
        this.mark(`${load.client}  failed after ${Math.round(line.tookMs)} ms: ${line.what}`);
        return;
      }
      if (last && last.requests !== line.requests) {
        const text = describeCounts(between(last, line));
        if (text !== lastText) this.mark(`${load.client}  ${text}`);
        lastText = text;
      }
      last = line;
    });
  }

  #add(atMs: number, what: string): void {
    this.#lines.push(`${`+${(atMs / 1_000).toFixed(1)} s`.padStart(7)}  ${what}`);
  }

  [Symbol.dispose](): void {
    for (const stop of this.#stops) stop();
    console.log([this.#title, ...this.#lines].join("\n"));
  }
}

/** "failures 0  retries 1 (unanswered 1)  region eu-west" */
function describeCounts({ failed, unconnected, unanswered, regions }: Counts): string {
  const retries = unconnected + unanswered;
  const places = Object.keys(regions).toSorted().join(" and ") || "none";
  return `failures ${failed}  retries of the client ${retries}${unanswered > 0 ? ` (unanswered ${unanswered})` : ""}  region ${places}`;
}
