import type { PoolStatus } from "#shared/endpoint/status.ts";
import type { TopologyNode } from "#shared/topology/topology.ts";
import type { NodeEvent } from "./sse.ts";
import { isOneOf } from "./views.ts";

/** An endpoint of a pool of a node, which is awaited to change. */
export interface AwaitedEndpoint {
  readonly watcher: string;
  readonly pool: string;
  readonly endpoint: string;
  readonly name: string;
}

const lost = new Set([
  "endpoint_down",
  "endpoint_ejected",
  "endpoint_draining",
  "endpoint_disabled",
  "endpoint_removed",
]);

/** Who has not yet seen what a drill does: endpoints that shall go, or come back. */
export class Awaited {
  readonly #wanted: "gone" | "up";
  readonly #pending = new Map<string, AwaitedEndpoint>();
  readonly #watchers = new Set<string>();

  constructor(wanted: "gone" | "up") {
    this.#wanted = wanted;
  }

  /** Adds those endpoints of a node that are not yet as they shall be. */
  add(watcher: TopologyNode, pools: readonly PoolStatus[], addresses: readonly string[]): void {
    for (const pool of pools)
      for (const { address, name, state } of pool.endpoints) {
        if (!isOneOf(address, addresses) || (state === "up") !== (this.#wanted === "gone")) continue;
        const awaited = { watcher: watcher.name, pool: pool.name, endpoint: address, name };
        this.#pending.set(keyOf(awaited), awaited);
        this.#watchers.add(watcher.name);
      }
  }

  saw(watcher: TopologyNode, { type, data }: NodeEvent): void {
    const isWanted = this.#wanted === "up" ? type === "endpoint_up" : lost.has(type);
    if (!isWanted) return;
    this.#pending.delete(
      keyOf({ watcher: watcher.name, pool: String(data["pool"]), endpoint: String(data["endpoint"]) }),
    );
  }

  /** Looks at what a node says of all its endpoints now: an event may have been lost with the node that told it. */
  recheck(watcher: string, pools: readonly PoolStatus[]): void {
    for (const pool of pools)
      for (const { address, state } of pool.endpoints)
        if ((state === "up") === (this.#wanted === "up"))
          this.#pending.delete(keyOf({ watcher, pool: pool.name, endpoint: address }));
  }

  get pending(): readonly AwaitedEndpoint[] {
    return [...this.#pending.values()];
  }

  /** How many nodes had something to see. */
  get watchers(): number {
    return this.#watchers.size;
  }
}

function keyOf({ watcher, pool, endpoint }: Omit<AwaitedEndpoint, "name">): string {
  return `${watcher} ${pool} ${endpoint}`;
}
