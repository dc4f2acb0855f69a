import type { Metrics } from "#shared/observe/metrics.ts";
import type { CounterSeries, HistogramSeries } from "#shared/observe/series.ts";

const talliesMax = 1_000; // pairs of route and pool: the others are counted together, so that a large config stays readable
const otherRoute = "other";

/** The series in which the requests of one route to one pool are counted, looked up once. */
export class Tally {
  readonly #metrics: Metrics;
  readonly #labels: { readonly route: string; readonly pool: string };
  readonly #byStatus = new Map<number, CounterSeries>();
  readonly #seconds: HistogramSeries;
  readonly #received: CounterSeries;
  readonly #sent: CounterSeries;
  #firstByte: HistogramSeries | undefined;

  constructor(metrics: Metrics, route: string, pool: string) {
    const labels = { route, pool };
    this.#metrics = metrics;
    this.#labels = labels;
    this.#seconds = metrics.histogram("watershed_http_request_seconds", labels);
    this.#received = metrics.counter("watershed_http_received_bytes_total", labels);
    this.#sent = metrics.counter("watershed_http_sent_bytes_total", labels);
  }

  /** One request is over.
   * @param firstByteMs to the head of the server's answer; undefined if none came */
  count(status: number, tookMs: number, firstByteMs: number | undefined, bytesIn: number, bytesOut: number): void {
    let series = this.#byStatus.get(status);
    if (!series) {
      series = this.#metrics.counter("watershed_http_requests_total", { ...this.#labels, status });
      this.#byStatus.set(status, series);
    }
    series.add();
    this.#seconds.observe(tookMs / 1_000);
    if (bytesIn > 0) this.#received.add(bytesIn);
    if (bytesOut > 0) this.#sent.add(bytesOut);
    if (firstByteMs === undefined) return;
    this.#firstByte ??= this.#metrics.histogram("watershed_http_first_byte_seconds", this.#labels);
    this.#firstByte.observe(firstByteMs / 1_000);
  }
}

/** The tallies of a config: a route that splits has one for each of its pools. */
export class Tallies {
  readonly #metrics: Metrics;
  readonly #byRoute = new Map<string, Map<string, Tally>>();
  #count = 0;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  of(route: string, pool: string): Tally {
    let byPool = this.#byRoute.get(route);
    if (!byPool) {
      if (this.#count >= talliesMax && route !== otherRoute) return this.of(otherRoute, pool);
      this.#byRoute.set(route, (byPool = new Map<string, Tally>()));
    }
    let tally = byPool.get(pool);
    if (!tally) {
      this.#count++;
      byPool.set(pool, (tally = new Tally(this.#metrics, route, pool)));
    }
    return tally;
  }
}
