import type { Clock } from "#shared/core/clock.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Flow } from "./flows.ts";
import { counterNames } from "./plan/ruleset.ts";
import type { KernelTable } from "./plan/model.ts";
import type { KernelListener } from "./table.ts";

type Counters = ReadonlyMap<string, { readonly packets: number; readonly bytes: number }>;

const flowsDescribedMax = 200_000; // about 50 MB; more are counted, and not listed

/** What the kernel's counters and connections say, in the metrics and counts that userspace has too. */
export class KernelTraffic {
  readonly #metrics: Metrics;
  readonly #clock: Clock;
  #last: Counters = new Map();
  readonly #begun = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  /** When a connection was first seen, by its name. */
  #seenMs: ReadonlyMap<string, number> = new Map();
  #rows: readonly Record<string, unknown>[] = [];
  #count = 0;

  constructor(metrics: Metrics, clock: Clock) {
    this.#metrics = metrics;
    this.#clock = clock;
  }

  /** Connections that the kernel carries, as of the last count. */
  get count(): number {
    return this.#count;
  }

  /** The table was made anew: its counters begin at 0 again. */
  restart(): void {
    this.#last = new Map();
  }

  readCounters(counters: Counters, table: KernelTable, listeners: readonly KernelListener[]): void {
    for (const [i, service] of table.services.entries()) {
      const found = listeners[i];
      if (!found) continue;
      const { address: listener, pool } = found;
      const limited = this.#grown(counters, counterNames.limited(service)).packets;
      this.#countEnded(listener, pool.name, "LIMIT_REACHED", limited);
      for (const server of service.servers) {
        const endpoint = server.address;
        const { packets: begun } = this.#grown(counters, counterNames.connections(server));
        const up = this.#grown(counters, counterNames.up(server)).bytes;
        const down = this.#grown(counters, counterNames.down(server)).bytes;
        if (begun > 0)
          this.#metrics.count("watershed_attempts_total", { pool: pool.name, endpoint, result: "OK" }, begun);
        this.#begun.set(listener, (this.#begun.get(listener) ?? 0) + begun);
        if (up > 0) this.#metrics.count("watershed_l4_bytes_total", { listener, direction: "up" }, up);
        if (down > 0) this.#metrics.count("watershed_l4_bytes_total", { listener, direction: "down" }, down);
      }
    }
    this.#last = counters;
  }

  /** Takes the connections that are under way now. */
  readFlows(flows: readonly Flow[], table: KernelTable, listeners: readonly KernelListener[]): void {
    const byMark = serversByMark(table, listeners);
    const perListener = new Map<KernelListener, number>(listeners.map((listener) => [listener, 0]));
    const perEndpoint = new Map(listeners.flatMap(({ pool }) => pool.endpoints.map((endpoint) => [endpoint, 0])));
    const nowMs = this.#clock.nowMs();
    const seenMs = new Map<string, number>();
    const rows: Record<string, unknown>[] = [];
    for (const flow of flows) {
      const server = byMark.get(flow.mark);
      const endpoint = server?.endpoint;
      if (server) perListener.set(server.listener, (perListener.get(server.listener) ?? 0) + 1);
      if (endpoint) perEndpoint.set(endpoint, (perEndpoint.get(endpoint) ?? 0) + 1);
      if (rows.length >= flowsDescribedMax) continue;
      const name = nameOf(flow);
      const sinceMs = this.#seenMs.get(name) ?? nowMs;
      seenMs.set(name, sinceMs);
      rows.push(rowOf(flow, name, server, Math.round(nowMs - sinceMs)));
    }
    this.#seenMs = seenMs;
    this.#rows = rows;
    this.#count = flows.length;
    for (const [endpoint, count] of perEndpoint) endpoint.setCounted(count);
    for (const [listener, count] of perListener) {
      listener.setCounted(count);
      const ended = (this.#begun.get(listener.address) ?? 0) - count;
      this.#countEnded(listener.address, listener.pool.name, "OK", ended - (this.#ended.get(listener.address) ?? 0));
      this.#ended.set(listener.address, Math.max(ended, this.#ended.get(listener.address) ?? 0));
    }
  }

  /** Rows of `GET /connections`, as of the last count. */
  rows(): readonly Record<string, unknown>[] {
    return this.#rows;
  }

  #countEnded(listener: string, pool: string, reason: "OK" | "LIMIT_REACHED", by: number): void {
    if (by > 0) this.#metrics.count("watershed_l4_connections_total", { listener, pool, reason }, by);
  }

  #grown(counters: Counters, name: string): { packets: number; bytes: number } {
    const now = counters.get(name);
    const before = this.#last.get(name);
    return {
      packets: Math.max(0, (now?.packets ?? 0) - (before?.packets ?? 0)),
      bytes: Math.max(0, (now?.bytes ?? 0) - (before?.bytes ?? 0)),
    };
  }
}

/** A server that connections go to; its endpoint may have left the config. */
export interface MarkedServer {
  readonly endpoint: Endpoint | undefined;
  readonly listener: KernelListener;
}

export function serversByMark(table: KernelTable, listeners: readonly KernelListener[]): Map<number, MarkedServer> {
  const byMark = new Map<number, MarkedServer>();
  for (const [i, service] of table.services.entries()) {
    const listener = listeners[i];
    if (!listener) continue;
    const endpoints = new Map(listener.pool.endpoints.map((endpoint) => [endpoint.id, endpoint]));
    for (const { id, address } of service.servers)
      byMark.set(((table.tag << 16) | id) >>> 0, { endpoint: endpoints.get(address), listener });
  }
  return byMark;
}

/** "tcp 10.0.0.1:50312 10.0.0.5:7001" */
export function nameOf({ protocol, client, clientPort, listener, listenerPort }: Flow): string {
  return `${protocol} ${formatSocketAddress(client, clientPort)} ${formatSocketAddress(listener, listenerPort)}`;
}

function rowOf(
  flow: Flow,
  connection: string,
  server: MarkedServer | undefined,
  ageMs: number,
): Record<string, unknown> {
  const client = formatSocketAddress(flow.client, flow.clientPort);
  return {
    connection,
    mode: "kernel",
    listener: formatSocketAddress(flow.listener, flow.listenerPort),
    downstream: client,
    client,
    pool: server?.listener.pool.name ?? null,
    server: server?.endpoint?.id ?? null,
    serverName: server?.endpoint?.name ?? null,
    state: flow.state,
    ageMs,
    bytesUp: flow.bytesUp,
    bytesDown: flow.bytesDown,
  };
}
