import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Pool } from "#shared/endpoint/pool.ts";
import type { Host } from "#shared/server/service.ts";

/** Tells once when an endpoint that drains has no connection left: then it may be stopped. */
export class DrainWatch {
  readonly #host: Host;
  /** Since when those drained of which it was told: who came back between two looks is told of anew. */
  readonly #told = new WeakMap<Endpoint, number>();

  constructor(host: Host) {
    this.#host = host;
  }

  look(pools: Iterable<Pool>): void {
    for (const { name: pool, endpoints } of pools)
      for (const endpoint of endpoints) {
        if (endpoint.standing.state !== "draining") this.#told.delete(endpoint);
        else if (endpoint.active === 0 && this.#told.get(endpoint) !== endpoint.sinceMs) this.#tell(pool, endpoint);
      }
  }

  #tell(pool: string, endpoint: Endpoint): void {
    this.#told.set(endpoint, endpoint.sinceMs);
    const data = { pool, endpoint: endpoint.id, name: endpoint.name };
    this.#host.events.emit("endpoint_empty", data);
    this.#host.log.info(data, "endpoint_empty");
  }
}
