import type { Metrics } from "#shared/observe/metrics.ts";
import type { CounterSeries, HistogramSeries } from "#shared/observe/series.ts";

/** The series that every request counts in, looked up once for each combination. There are as many as routes and statuses. */
export class Tallies {
  readonly #metrics: Metrics;
  /** By route, pool and status: a route that splits leads to several pools. */
  readonly #requests = new Map<string, Map<string, Map<number, CounterSeries>>>();
  readonly #seconds = new Map<string, HistogramSeries>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  requests(route: string, pool: string, status: number): CounterSeries {
    let byPool = this.#requests.get(route);
    if (!byPool) this.#requests.set(route, (byPool = new Map<string, Map<number, CounterSeries>>()));
    let byStatus = byPool.get(pool);
    if (!byStatus) byPool.set(pool, (byStatus = new Map<number, CounterSeries>()));
    let series = byStatus.get(status);
    if (!series) {
      series = this.#metrics.counter("watershed_http_requests_total", { route, pool, status });
      byStatus.set(status, series);
    }
    return series;
  }

  seconds(pool: string): HistogramSeries {
    let series = this.#seconds.get(pool);
    if (!series) {
      series = this.#metrics.histogram("watershed_http_request_seconds", { pool });
      this.#seconds.set(pool, series);
    }
    return series;
  }
}
