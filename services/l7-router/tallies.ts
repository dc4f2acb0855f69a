import type { Metrics } from "#shared/observe/metrics.ts";
import type { CounterSeries, HistogramSeries } from "#shared/observe/series.ts";

/** The series that every request counts in, looked up once for each combination. There are as many as routes and statuses. */
export class Tallies {
  readonly #metrics: Metrics;
  /** By route and status; the pool follows from the route, and comes along for when the config changes. */
  readonly #requests = new Map<string, Map<number, CounterSeries>>();
  readonly #seconds = new Map<string, HistogramSeries>();

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  requests(route: string, pool: string, status: number): CounterSeries {
    let byStatus = this.#requests.get(route);
    if (!byStatus) this.#requests.set(route, (byStatus = new Map<number, CounterSeries>()));
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
