import { UsageError } from "#shared/core/error.ts";
import type { Reason } from "#shared/core/error.ts";
import type { CheckResult } from "#shared/health/check.ts";
import type { EventLog } from "#shared/observe/events.ts";
import type { Logger } from "#shared/observe/log.ts";
import type { CounterSeries } from "#shared/observe/series.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { Endpoint, Standing } from "./endpoint.ts";

/** What a pool is called, and where it tells what happens. */
export interface Instruments {
  readonly name: string;
  readonly events: EventLog;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** The service hangs its connections on the drains of endpoints, and leaves it to the pool to tell that one is empty. */
  readonly tellsDrains?: boolean;
}

const eventOf = {
  up: "endpoint_up",
  down: "endpoint_down",
  unknown: "endpoint_down",
  ejected: "endpoint_ejected",
  draining: "endpoint_draining",
  disabled: "endpoint_disabled",
} as const satisfies Record<Standing["state"], string>;

/** Tells events, log and metrics what happens in a pool, once, at the edge. */
export class PoolReporter {
  readonly #pool: string;
  readonly #instruments: Instruments;
  /** Looked up once, because this is counted with every request. */
  readonly #attempts = new WeakMap<Endpoint, Map<Reason, CounterSeries>>();
  #inPanic = false;

  constructor(instruments: Instruments) {
    this.#pool = instruments.name;
    this.#instruments = instruments;
  }

  added(endpoint: Endpoint): void {
    this.#setEligible(endpoint, endpoint.eligible);
  }

  removed(endpoint: Endpoint, detail: string): void {
    this.#setEligible(endpoint, false);
    this.#instruments.events.emit("endpoint_removed", { ...this.#names(endpoint), reason: "DISABLED", detail });
  }

  standing(endpoint: Endpoint, before: Standing): void {
    const { events, log, metrics } = this.#instruments;
    const { state, eligible, reason, detail } = endpoint.standing;
    const type = eventOf[state];
    const fields = { ...this.#names(endpoint), reason, detail };
    events.emit(type, fields);
    // A start tells of every endpoint; that is no news.
    const level = eligible ? (before.state === "unknown" ? "debug" : "info") : "warn";
    log[level](fields, type);
    if (before.eligible === eligible) return;
    this.#setEligible(endpoint, eligible);
    metrics.count("watershed_endpoint_changes_total", { pool: this.#pool, reason });
  }

  /** @throws {UsageError} if nothing hangs on the drains of this pool's endpoints */
  checkCut(): void {
    if (!this.#instruments.tellsDrains)
      throw new UsageError(`pool ${this.#pool}: onDrain of the listener says what becomes of its connections`);
  }

  /** It drains, and nothing is under way there any more. */
  emptied(endpoint: Endpoint): void {
    if (!this.#instruments.tellsDrains) return;
    const { events, log } = this.#instruments;
    events.emit("endpoint_empty", this.#names(endpoint));
    log.info(this.#names(endpoint), "endpoint_empty");
  }

  check(result: CheckResult): void {
    this.#instruments.metrics.count("watershed_health_checks_total", { pool: this.#pool, result: result.reason });
  }

  attempt(endpoint: Endpoint, result: Reason): void {
    let byResult = this.#attempts.get(endpoint);
    if (!byResult) this.#attempts.set(endpoint, (byResult = new Map<Reason, CounterSeries>()));
    let series = byResult.get(result);
    if (!series) {
      const labels = { pool: this.#pool, endpoint: endpoint.id, result };
      series = this.#instruments.metrics.counter("watershed_attempts_total", labels);
      byResult.set(result, series);
    }
    series.add();
  }

  panic(inPanic: boolean, eligible: number, endpoints: number): void {
    if (inPanic === this.#inPanic) return;
    this.#inPanic = inPanic;
    const { events, log } = this.#instruments;
    const fields = { pool: this.#pool, eligible, endpoints };
    if (inPanic) {
      events.emit("pool_panic", fields);
      log.warn(fields, "pool_panic");
    } else {
      events.emit("pool_panic_over", fields);
      log.info(fields, "pool_panic_over");
    }
  }

  #names(endpoint: Endpoint): { pool: string; endpoint: string; name: string; zone: string | null } {
    return { pool: this.#pool, endpoint: endpoint.id, name: endpoint.name, zone: endpoint.zone ?? null };
  }

  #setEligible(endpoint: Endpoint, eligible: boolean): void {
    this.#instruments.metrics.set(
      "watershed_endpoint_eligible",
      { pool: this.#pool, endpoint: endpoint.id },
      eligible ? 1 : 0,
    );
  }
}
