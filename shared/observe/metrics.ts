import { AggregatorRegistry, Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";
import { metricTable } from "./metric-table.ts";
import type { LabelsOf, MetricName } from "./metric-table.ts";

/** The metrics of one process, by the names of the metric table. */
export interface Metrics {
  /** Adds `by` (default 1) to a counter. */
  count<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, by?: number): void;
  /** Sets a gauge. */
  set<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void;
  /** Adds one value to a histogram. */
  observe<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void;
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

export function createMetrics(names: { readonly service: string; readonly node: string }): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service: names.service, node: names.node });
  collectDefaultMetrics({ register: registry });
  const instruments = new Map<MetricName, Instrument>();
  const updates: (() => void)[] = [];

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
    observe: (name, labels, value) => (instrument(name) as Histogram).observe(labels, value),
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
  return new Histogram({ ...options, buckets: [...metric.buckets] });
}
