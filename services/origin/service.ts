import type { Hono } from "hono";
import type { OriginConfig, OriginServerConfig } from "#shared/config/schema/origin.ts";
import { UsageError } from "#shared/core/error.ts";
import type { AdminPool } from "#shared/endpoint/status.ts";
import type { Host, Service } from "#shared/server/service.ts";
import { addDrills } from "./drills.ts";
import { kinds } from "./kinds/kinds.ts";
import { OriginServer } from "./server.ts";

/** The servers of a zone. */
export class OriginService implements Service<OriginConfig> {
  readonly #host: Host;
  #config: OriginConfig;
  #servers: readonly OriginServer[] = [];
  /** Taken out of the config; what was under way on them still is. */
  readonly #retiring = new Set<OriginServer>();
  #draining = false;

  private constructor(config: OriginConfig, host: Host) {
    this.#config = config;
    this.#host = host;
  }

  /** @throws {UsageError} if an address cannot be listened on; then nothing listens */
  static async start(config: OriginConfig, host: Host): Promise<OriginService> {
    const service = new OriginService(config, host);
    service.#servers = config.servers.map((server) => service.#createServer(server));
    await startAll(service.#servers);
    return service;
  }

  get servers(): readonly OriginServer[] {
    return this.#servers;
  }

  notReady(): string | undefined {
    return undefined;
  }

  status(): Record<string, unknown> {
    return {
      zone: this.#config.zone ?? null,
      region: this.#config.region ?? null,
      servers: this.#servers.map((server) => server.status()),
    };
  }

  /** Which forwarders an api server would ask for the catalogue, in order: `?server=api-1`, by default the first. */
  explain(query: URLSearchParams): Record<string, unknown> {
    const apis = this.#servers.filter((server) => server.config.service === "api");
    const name = query.get("server") ?? apis[0]?.config.name ?? "";
    const server = apis.find((api) => api.config.name === name);
    if (!server) {
      throw new UsageError(`there is no api server ${name} (known: ${apis.map((api) => api.config.name).join(", ")})`);
    }
    const { state, address, replicas } = server.status(true);
    return { server: name, address, state, asks: replicas };
  }

  *pools(): Iterable<AdminPool> {}

  /** Servers whose entry stays the same stay, with their drills and connections. */
  async reload(config: OriginConfig): Promise<void> {
    for (const key of ["zone", "region"] as const) {
      if (config[key] !== this.#config[key]) throw new UsageError(`${key} of an origin changes only by a restart`);
    }
    const kept = new Map(this.#servers.map((server) => [keyOf(server.config), server]));
    const next = config.servers.map((server) => kept.get(keyOf(server)) ?? this.#createServer(server));
    const removed = this.#servers.filter((server) => !next.includes(server));
    const released = removed.filter((server) => server.state !== "stopped");
    await Promise.all(released.map((server) => server.release())); // A new server may have an old one's address.
    try {
      await startAll(next.filter((server) => !this.#servers.includes(server)));
    } catch (error) {
      await Promise.all(released.map((server) => server.start()));
      throw error;
    }
    this.#config = config;
    this.#servers = next;
    for (const server of removed) this.#retire(server);
  }

  drain(): void {
    this.#draining = true;
  }

  async finish(): Promise<void> {
    await Promise.all([...this.#servers, ...this.#retiring].map((server) => server.finish()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers, ...this.#retiring].map((server) => server.close()));
  }

  extendAdmin(app: Hono): void {
    addDrills(app, () => this.#servers);
  }

  #createServer(config: OriginServerConfig): OriginServer {
    return new OriginServer({
      config,
      zone: this.#config.zone,
      region: this.#config.region,
      host: this.#host,
      isDraining: () => this.#draining,
      createKind: (context) =>
        kinds[config.service](context, {
          replicas: () => this.#config.replicas,
          telemetry: () => this.#config.telemetry,
        }),
    });
  }

  #retire(server: OriginServer): void {
    this.#retiring.add(server);
    void server.finish().then(() => this.#retiring.delete(server));
  }
}

/** Entries with the same key are the same server. */
function keyOf(config: OriginServerConfig): string {
  return JSON.stringify([config.name, config.service, config.address, config.proxyProtocol?.accept]);
}

/** Starts all or none. */
async function startAll(servers: readonly OriginServer[]): Promise<void> {
  const started = await Promise.allSettled(servers.map((server) => server.start()));
  const failed = started.find((result) => result.status === "rejected");
  if (!failed) return;
  await Promise.all(servers.map((server) => server.close()));
  throw failed.reason;
}
