import { Hono } from "hono";
import { Forwarder } from "#l4-forwarder/forwarder.ts";
import { l4ForwarderSchema } from "#shared/config/schema/l4-forwarder.ts";
import type { L4ForwarderConfig } from "#shared/config/schema/l4-forwarder.ts";
import { EventLog } from "#shared/observe/events.ts";
import type { Host } from "#shared/server/service.ts";
import { testHost } from "./host.ts";
import { FakeMetrics } from "./pool.ts";

/** Checks so quick that a test need not wait. */
export const quickChecks = { type: "tcp", interval: "50ms", timeout: "40ms", fall: 2, rise: 2 } as const;

/** A forwarder of a test, with what it says within reach. */
export class TestForwarder implements AsyncDisposable {
  readonly service: Forwarder;
  readonly host: Host;
  readonly events = new EventLog();
  readonly metrics = new FakeMetrics();

  private constructor(config: L4ForwarderConfig) {
    this.host = testHost({ events: this.events, metrics: this.metrics });
    this.service = new Forwarder(config, this.host);
  }

  /** @param config as YAML would give it */
  static async start(config: Record<string, unknown>): Promise<TestForwarder> {
    const forwarder = new TestForwarder(l4ForwarderSchema.parse(config));
    await forwarder.service.open();
    return forwarder;
  }

  reload(config: Record<string, unknown>): Promise<void> {
    return this.service.reload(l4ForwarderSchema.parse(config));
  }

  /** Of the listener of a pool. */
  listener(pool: string): { address: string; open: boolean; reason: string; active: number } {
    const { listeners } = this.service.status() as {
      listeners: { pool: string; address: string; open: boolean; reason: string; active: number }[];
    };
    const found = listeners.find((listener) => listener.pool === pool);
    if (!found) throw new Error(`no listener of ${pool}`);
    return found;
  }

  /** Looks again after each turn of the event loop: for what follows from sockets that the test itself has closed. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
  }

  /** What `GET path` of the admin API answers, as far as the forwarder itself adds it. */
  async get(path: string): Promise<Record<string, unknown>> {
    const app = new Hono();
    this.service.extendAdmin(app);
    return (await (await app.request(path)).json()) as Record<string, unknown>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.close();
  }
}
