type MetricType = "counter" | "gauge" | "histogram";

interface Metric {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** Every metric there is. `GET /metrics` shows those that a service has touched; names follow Prometheus' conventions. */
export const metricTable = {
  watershed_ready: { type: "gauge", help: "1 while the node is ready", labels: [] },
  watershed_reloads_total: { type: "counter", help: "Reloads of the config", labels: ["result"] },
  watershed_config_revision: { type: "gauge", help: "Counts the configs in force since the start", labels: [] },
  watershed_health_checks_total: { type: "counter", help: "Active checks", labels: ["pool", "result"] },
  watershed_endpoint_eligible: { type: "gauge", help: "1 while traffic may go there", labels: ["pool", "endpoint"] },
  watershed_endpoint_changes_total: { type: "counter", help: "Changes of eligibility", labels: ["pool", "reason"] },
  watershed_attempts_total: { type: "counter", help: "Tries at an endpoint", labels: ["pool", "endpoint", "result"] },
  watershed_dns_queries_total: {
    type: "counter",
    help: "Answered DNS queries",
    labels: ["transport", "type", "rcode"],
  },
  watershed_dns_dropped_total: { type: "counter", help: "DNS messages that got no reply", labels: ["transport"] },
  watershed_dns_truncated_total: { type: "counter", help: "DNS replies that were cut (TC)", labels: [] },
  watershed_dns_subnet_queries_total: { type: "counter", help: "DNS queries that told a client subnet", labels: [] },
  watershed_dns_steered_total: { type: "counter", help: "Geo answers", labels: ["geo", "region", "reason"] },
  watershed_dns_signatures_total: {
    type: "counter",
    help: "Signatures of DNSSEC that were made, or refused on demand over the limit",
    labels: ["result"],
  },
  watershed_http_requests_total: { type: "counter", help: "Answered requests", labels: ["route", "pool", "status"] },
  watershed_http_replies_total: {
    type: "counter",
    help: "Replies that the router itself made",
    labels: ["reason"],
  },
  watershed_http_request_seconds: {
    type: "histogram",
    help: "From the head of a request to the end of its answer",
    labels: ["pool"],
    buckets: secondsBuckets,
  },
  watershed_http_active_requests: { type: "gauge", help: "Requests under way", labels: [] },
  watershed_http_retries_total: { type: "counter", help: "Further tries of a request", labels: ["pool", "reason"] },
  watershed_l4_connections_total: {
    type: "counter",
    help: "Connections that have ended, by outcome",
    labels: ["listener", "pool", "reason"],
  },
  watershed_l4_active_connections: { type: "gauge", help: "Connections under way", labels: ["listener"] },
  watershed_l4_bytes_total: { type: "counter", help: "Bytes carried", labels: ["listener", "direction"] },
  watershed_origin_requests_total: { type: "counter", help: "Requests that a server has answered", labels: ["server"] },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metricTable;
export type LabelsOf<Name extends MetricName> = Readonly<
  Record<(typeof metricTable)[Name]["labels"][number], string | number>
>;
