import { UsageError } from "#shared/core/error.ts";
import { listenTcp } from "#shared/net/listen.ts";
import { formatTook } from "../text.ts";
import { endAll, startNode } from "./spawn.ts";
import type { NodeToStart, SpawnOptions, StackProcess } from "./spawn.ts";
import { waitReady } from "./ready.ts";

/** Nodes of one service: started together, once the tier below them is ready. */
export interface Tier<Node extends NodeToStart = NodeToStart> {
  readonly title: string;
  readonly nodes: readonly Node[];
}

const titles: Readonly<Record<string, string>> = {
  origin: "origins",
  "l4-forwarder": "forwarders",
  "l7-router": "routers",
  geodns: "name servers",
};

/** "routers": what the nodes of a service are called together. */
export function tierTitle(service: string): string {
  return titles[service] ?? service;
}

/** The tiers of a topology, in the order of its nodes. */
export function tiersOf<Node extends NodeToStart>(nodes: readonly Node[]): Tier<Node>[] {
  const byService = Map.groupBy(nodes, (node) => node.service);
  return [...byService].map(([service, members]) => ({ title: tierTitle(service), nodes: members }));
}

const tierLimitMs = 20_000;

export interface BringUpOptions extends SpawnOptions {
  readonly signal: AbortSignal;
  /** Called after each tier was started, with everything that runs by then. */
  onStarted(processes: readonly StackProcess[]): void;
}

/** Starts tier after tier, each once the one before is ready. Where one fails, everything is ended again.
 * @throws {StartError} naming the process
 * @throws {UsageError} naming address and port, if an admin port is taken */
export async function bringUp(
  tiers: readonly Tier[],
  options: BringUpOptions,
  progress: Progress,
): Promise<StackProcess[]> {
  const processes: StackProcess[] = [];
  await refuseTakenPorts(tiers.flatMap((tier) => tier.nodes));
  try {
    for (const tier of tiers) {
      if (options.signal.aborted) break;
      const started = tier.nodes.map((node) => startNode(node, options));
      processes.push(...started);
      options.onStarted(processes);
      progress.begin(tier);
      await waitReady(started, {
        limitMs: tierLimitMs,
        signal: options.signal,
        onProgress: (ready) => progress.ready(ready),
      });
      progress.end();
    }
    return processes;
  } catch (error) {
    progress.end();
    await endAll(processes, endLimitMs);
    throw error;
  }
}

/** Another stack at these addresses would answer that it is ready, in place of ours that could not bind. */
async function refuseTakenPorts(nodes: readonly NodeToStart[]): Promise<void> {
  for (const { name, admin } of nodes) {
    try {
      await using _ = await listenTcp({ address: admin, onConnection: (socket) => socket.destroy() });
    } catch (error) {
      throw error instanceof UsageError ? new UsageError(`${name}: ${error.message}`) : error;
    }
  }
}

/** What processes get to stop before they are killed. */
export const endLimitMs = 5_000;

/** One line a tier: on a terminal rewritten as its processes become ready, elsewhere written once they are. */
export class Progress {
  readonly #out: { isTTY?: boolean; write(text: string): unknown };
  #tier: Tier | undefined;
  #ready = 0;
  #startedMs = 0;

  constructor(out: { isTTY?: boolean; write(text: string): unknown }) {
    this.#out = out;
  }

  begin(tier: Tier): void {
    this.#tier = tier;
    this.#ready = 0;
    this.#startedMs = performance.now();
    this.#rewrite();
  }

  ready(count: number): void {
    this.#ready = count;
    this.#rewrite();
  }

  end(): void {
    if (!this.#tier) return;
    this.#out.write(`${this.#out.isTTY ? "\r\u001b[2K" : ""}${this.#line()}\n`);
    this.#tier = undefined;
  }

  #rewrite(): void {
    if (this.#out.isTTY) this.#out.write(`\r\u001b[2K${this.#line()}`);
  }

  #line(): string {
    const { title, nodes } = this.#tier ?? { title: "", nodes: [] };
    const took = formatTook(performance.now() - this.#startedMs);
    return `${title.padEnd(14)}${`${this.#ready}/${nodes.length}`.padStart(5)} ready  ${took.padStart(7)}`;
  }
}
