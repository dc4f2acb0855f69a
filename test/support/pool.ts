import pino from "pino";
import { poolSchema } from "#shared/config/schema/common.ts";
import type { PoolConfig } from "#shared/config/schema/common.ts";
import { seededRandom } from "#shared/core/random.ts";
import { Pool } from "#shared/endpoint/pool.ts";
import type { PoolOptions } from "#shared/endpoint/pool.ts";
import type { Endpoint } from "#shared/endpoint/endpoint.ts";
import type { Check, CheckResult } from "#shared/health/check.ts";
import { EventLog } from "#shared/observe/events.ts";
import { CounterSeries, HistogramSeries } from "#shared/observe/series.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import { FakeClock } from "./fake-clock.ts";

/** Metrics that a test can read. */
export class FakeMetrics implements Metrics {
  readonly #values = new Map<string, number>();
  readonly #updates: (() => void)[] = [];

  count(name: string, labels: object, by = 1): void {
    const key = keyOf(name, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  set(name: string, labels: object, value: number): void {
    this.#values.set(keyOf(name, labels), value);
  }

  observe(): void {}

  counter(name: string, labels: object): CounterSeries {
    const series = new CounterSeries();
    series.add = (by?: number) => this.count(name, labels, by);
    return series;
  }

  histogram(): HistogramSeries {
    return new HistogramSeries({}, []);
  }

  beforeRender(update: () => void): void {
    this.#updates.push(update);
  }

  value(name: string, labels: object): number {
    for (const update of this.#updates) update();
    return this.#values.get(keyOf(name, labels)) ?? 0;
  }

  snapshot(): Promise<never[]> {
    return Promise.resolve([]);
  }

  render(): Promise<string> {
    return Promise.resolve([...this.#values].map(([key, value]) => `${key} ${value}`).join("\n"));
  }
}

function keyOf(name: string, labels: object): string {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${value}`);
  return [name, ...pairs.toSorted((a, b) => a.localeCompare(b))].join(" ");
}

/** What the checks of a test find, by "host:port"; 200 where nothing is said, and "hang" never answers. */
export class FakeServers {
  readonly #results = new Map<string, CheckResult | "hang">();

  set(address: string, result: CheckResult | "hang"): void {
    this.#results.set(address, result);
  }

  readonly check: Check = (target, _config, signal) => {
    const result = this.#results.get(`${target.host}:${target.port}`) ?? passes;
    if (result !== "hang") return Promise.resolve(result);
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => resolve({ passed: false, reason: "CHECK_TIMEOUT", detail: "hangs" }));
    });
  };
}

export const passes: CheckResult = { passed: true, reason: "OK", detail: "status 200" };
export const refuses: CheckResult = {
  passed: false,
  reason: "CHECK_REFUSED",
  detail: "connect to 10.0.0.1:80 refused",
};
export const drains: CheckResult = { passed: false, reason: "DRAINING", detail: "it says so", definitive: true };

/** Checks every second, 500 ms long, fall 3, rise 2. */
export const quickHealth = { type: "tcp", interval: "1s", timeout: "500ms", fall: 3, rise: 2 } as const;

/** A pool config as YAML would give it. */
export function poolConfig(config: Record<string, unknown>): PoolConfig {
  return poolSchema.parse(config);
}

interface TestPool {
  readonly pool: Pool;
  readonly clock: FakeClock;
  readonly events: EventLog;
  readonly metrics: FakeMetrics;
  readonly servers: FakeServers;
}

/** A pool on a fake clock with fake checks and a seed for chance. */
export function testPool(config: Record<string, unknown>, options: Partial<PoolOptions> = {}): TestPool {
  const clock = new FakeClock();
  const events = new EventLog();
  const metrics = new FakeMetrics();
  const servers = new FakeServers();
  const pool = new Pool({
    name: "web",
    config: poolConfig(config),
    clock,
    random: seededRandom(1),
    events,
    metrics,
    log: pino({ level: "silent" }),
    check: servers.check,
    ...options,
  });
  return { pool, clock, events, metrics, servers };
}

/** The endpoints of a pool, in the order of its config; too few are an error of the test. */
export function endpointAt(pool: Pool, index: number): Endpoint {
  const endpoint = pool.endpoints[index];
  if (!endpoint) throw new Error(`the pool has no endpoint ${index}`);
  return endpoint;
}

/** Endpoints 10.0.0.1:80, 10.0.0.2:80 ..., each with the extra keys given. */
export function endpointsOf(...extras: Record<string, unknown>[]): Record<string, unknown>[] {
  return extras.map((extra, i) => ({ address: addressOf(i + 1), ...extra }));
}

/** @param number 1 for the first of `endpointsOf` */
export function addressOf(number: number): string {
  return `10.0.0.${number}:80`;
}

/** How often each was chosen, and why: `"10.0.0.1:80 OK": 5`. */
export function pickMany(pool: Pool, times: number, tried: readonly Endpoint[] = []): Record<string, number> {
  const picks: Record<string, number> = {};
  for (let i = 0; i < times; i++) {
    const { endpoint, reason } = pool.choose({ hash: i, tried });
    const key = `${endpoint?.id ?? "nobody"} ${reason}`;
    picks[key] = (picks[key] ?? 0) + 1;
  }
  return picks;
}

/** Who is chosen, one after the other. */
export function nextOf(pool: Pool, times: number): (string | undefined)[] {
  return Array.from({ length: times }, () => pool.choose({ hash: 0, tried: [] }).endpoint?.id);
}
