import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** What one client has seen since its load began. */
export interface Counts {
  readonly requests: number;
  /** No address answered, or one answered anything but 200. */
  readonly failed: number;
  /** Retries of the client: the address before took no connection. */
  readonly unconnected: number;
  /** Retries of the client: the address before took the request, and gave no whole answer. */
  readonly unanswered: number;
  /** Answers by region. */
  readonly regions: Readonly<Record<string, number>>;
}

type Line =
  | ({ readonly kind: "tick" | "report" } & Counts)
  | { readonly kind: "failure"; readonly tookMs: number; readonly what: string };

/** Workers of each client: so many of its requests are under way at the same moment, at the most. */
export const workers = 3;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** One is carried by forwarders in userspace, the other in the kernel. */
const paths = "/api/users,/film/7";

/** One client that sends requests all the time, inside its container. */
export class LoadRun implements AsyncDisposable {
  readonly client: string;
  readonly #child: Child;
  readonly #listeners = new Set<(line: Line) => void>();

  private constructor(client: string, child: Child) {
    this.client = client;
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (text) => {
      const line = JSON.parse(text) as Line;
      for (const listener of this.#listeners) listener(line);
    });
  }

  /** Resolves once its first answer has come. */
  static async start(client: string, containerId: string, site: string): Promise<LoadRun> {
    const program = await readFile(path.join(import.meta.dirname, "load.ts"), "utf8");
    const node = ["node", "--input-type=module-typescript", "--eval", program, site, paths, String(workers)];
    const child = spawn("docker", ["exec", "--interactive", containerId, ...node], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    child.stdin.on("error", () => {}); // It ended: whoever waits for its lines is told so.
    const load = new LoadRun(client, child);
    await load.until(({ regions }) => Object.keys(regions).length > 0);
    return load;
  }

  /** Calls for every line from now on. @returns how to stop that */
  onLine(listener: (line: Line) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Counts of this moment. */
  async report(): Promise<Counts> {
    const report = this.#next((line) => line.kind === "report");
    this.#child.stdin.write("report\n");
    return (await report) as Line & Counts;
  }

  /** Resolves with the first counts that are as wanted. */
  async until(isWanted: (counts: Counts) => boolean): Promise<Counts> {
    return (await this.#next((line) => line.kind !== "failure" && isWanted(line))) as Line & Counts;
  }

  /** Resolves after so many ticks, of half a second each. */
  async ticks(count: number): Promise<void> {
    let seen = 0;
    await this.#next((line) => line.kind === "tick" && ++seen >= count);
  }

  #next(isWanted: (line: Line) => boolean): Promise<Line> {
    return new Promise((resolve, reject) => {
      const done = () => {
        stop();
        this.#child.off("close", ended);
      };
      const ended = () => {
        done();
        reject(new Error(`the load of ${this.client} ended`));
      };
      const stop = this.onLine((line) => {
        if (!isWanted(line)) return;
        done();
        resolve(line);
      });
      if (this.#child.exitCode !== null) ended();
      else this.#child.once("close", ended);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.stdin.end();
    await closed;
  }
}

/** What came between two reports. */
export function between(before: Counts, after: Counts): Counts {
  const regions = Object.entries(after.regions).map(([name, count]) => [name, count - (before.regions[name] ?? 0)]);
  return {
    requests: after.requests - before.requests,
    failed: after.failed - before.failed,
    unconnected: after.unconnected - before.unconnected,
    unanswered: after.unanswered - before.unanswered,
    regions: Object.fromEntries(regions.filter(([, count]) => count !== 0)) as Record<string, number>,
  };
}
