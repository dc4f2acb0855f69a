import { AggregatorRegistry, Counter, Gauge, Registry, collectDefaultMetrics } from "prom-client";
import type { Metric as PromMetric } from "prom-client";
import { metricTable } from "./metric-table.ts";
import type { LabelsOf, MetricName } from "./metric-table.ts";
import { CounterSeries, HistogramSeries } from "./series.ts";

/** The metrics of one process, by the names of the metric table. */
export interface Metrics {
  /** Adds `by` (default 1) to a counter. */
  count<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, by?: number): void;
  /** Sets a gauge. */
  set<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void;
  /** Adds one value to a histogram. */
  observe<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void;
  /** One series of a counter, to be kept by whoever counts on a hot path. */
  counter<Name extends MetricName>(name: Name, labels: LabelsOf<Name>): CounterSeries;
  /** One series of a histogram. */
  histogram<Name extends MetricName>(name: Name, labels: LabelsOf<Name>): HistogramSeries;
  /** Called before every rendering: for what is counted elsewhere, where counting must cost next to nothing. */
  beforeRender(update: () => void): void;
  /** Text exposition format of Prometheus.
   * @param others what `snapshot` gave in other processes of the same node: added up, or as the metric table says */
  render(others?: readonly MetricsSnapshot[]): Promise<string>;
  /** Everything, as it passes from process to process. */
  snapshot(): Promise<MetricsSnapshot>;
}

/** The metrics of one process, as prom-client writes them in JSON. */
export type MetricsSnapshot = readonly object[];

type Instrument = Counter | Gauge | Histogram;
type Labels = Readonly<Record<string, string | number>>;

export function createMetrics(names: { readonly service: string; readonly node: string }): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service: names.service, node: names.node });
  collectDefaultMetrics({ register: registry });
  const instruments = new Map<MetricName, Instrument>();
  const updates: (() => void)[] = [];
  const counters = new Map<string, CounterSeries>();

  const instrument = (name: MetricName): Instrument => {
    let found = instruments.get(name);
    if (!found) {
      found = createInstrument(name, registry);
      instruments.set(name, found);
    }
    return found;
  };

  const update = () => {
    for (const one of updates) one();
  };
  const snapshot = async (): Promise<MetricsSnapshot> => {
    update();
    return registry.getMetricsAsJSON();
  };

  return {
    count: (name, labels, by = 1) => (instrument(name) as Counter).inc(labels, by),
    set: (name, labels, value) => (instrument(name) as Gauge).set(labels, value),
    observe: (name, labels, value) => (instrument(name) as Histogram).seriesOf(labels).observe(value),
    counter: (name, labels) => {
      const key = JSON.stringify([name, labels]);
      let found = counters.get(key);
      if (!found) {
        const series = new CounterSeries();
        found = series;
        counters.set(key, series);
        (instrument(name) as Counter).inc(labels, 0);
        updates.push(() => (instrument(name) as Counter).inc(labels, series.take()));
      }
      return found;
    },
    histogram: (name, labels) => (instrument(name) as Histogram).seriesOf(labels),
    beforeRender: (update) => void updates.push(update),
    render: async (others = []) => {
      if (others.length > 0) return AggregatorRegistry.aggregate([await snapshot(), ...others]).metrics();
      update();
      return registry.metrics();
    },
    snapshot,
  };
}

function createInstrument(name: MetricName, registry: Registry): Instrument {
  const metric = metricTable[name];
  const options = { name, help: metric.help, labelNames: [...metric.labels], registers: [registry] };
  if (metric.type === "counter") return new Counter(options);
  if (metric.type === "gauge")
    return new Gauge({ ...options, aggregator: "across" in metric ? metric.across : "first" });
  const histogram = new Histogram(name, metric.help, metric.buckets);
  registry.registerMetric(histogram as unknown as PromMetric);
  return histogram;
}

/** A histogram that can be observed for the price of a few comparisons; prom-client's looks its labels up by their text
 * each time. It has what a registry asks of a metric. */
class Histogram {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, HistogramSeries>();

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
  }

  seriesOf(labels: Labels): HistogramSeries {
    const key = JSON.stringify(labels);
    let found = this.#series.get(key);
    if (!found) {
      found = new HistogramSeries(labels, this.#bounds);
      this.#series.set(key, found);
    }
    return found;
  }

  async get(): Promise<unknown> {
    const values = [...this.#series.values()].flatMap((series) => [...series.values(this.name)]);
    return { name: this.name, help: this.help, type: "histogram", aggregator: "sum", values };
  }
}
