type MetricType = "counter" | "gauge" | "histogram";

interface Metric {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
  /** What a gauge is where several processes share the sockets: that of the first (default), the sum, the smallest. */
  readonly across?: "sum" | "min";
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[];
}

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const answerSecondsBuckets = [
  0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05,
] as const;

/** Every metric there is. `GET /metrics` shows those that a service has touched; names follow Prometheus' conventions. */
export const metricTable = {
  watershed_ready: { type: "gauge", help: "1 while the node is ready", labels: [], across: "min" },
  watershed_reloads_total: { type: "counter", help: "Reloads of the config", labels: ["result"] },
  watershed_config_revision: { type: "gauge", help: "Counts the configs in force since the start", labels: [] },
  watershed_worker_restarts_total: {
    type: "counter",
    help: "Worker processes that were lost and replaced",
    labels: [],
  },
  watershed_health_checks_total: { type: "counter", help: "Active checks", labels: ["pool", "result"] },
  watershed_endpoint_eligible: { type: "gauge", help: "1 while traffic may go there", labels: ["pool", "endpoint"] },
  watershed_endpoint_changes_total: { type: "counter", help: "Changes of eligibility", labels: ["pool", "reason"] },
  watershed_attempts_total: { type: "counter", help: "Tries at an endpoint", labels: ["pool", "endpoint", "result"] },
  watershed_dns_queries_total: {
    type: "counter",
    help: "Answered DNS queries",
    labels: ["transport", "type", "rcode"],
  },
  watershed_dns_answer_seconds: {
    type: "histogram",
    help: "From a DNS message that was read to its reply that is made, of one message in 63",
    labels: ["transport"],
    buckets: answerSecondsBuckets,
  },
  watershed_dns_dropped_total: { type: "counter", help: "DNS messages that got no reply", labels: ["transport"] },
  watershed_dns_truncated_total: { type: "counter", help: "DNS replies that were cut (TC)", labels: [] },
  watershed_dns_subnet_queries_total: { type: "counter", help: "DNS queries that told a client subnet", labels: [] },
  watershed_dns_limited_total: {
    type: "counter",
    help: "DNS responses over the rate limit",
    labels: ["kind", "result"],
  },
  watershed_dns_connections_closed_total: {
    type: "counter",
    help: "Connections to the name server that it has closed for being idle, or for another that came",
    labels: ["reason"],
  },
  watershed_dns_https_refused_total: {
    type: "counter",
    help: "Requests of DNS over HTTPS that got an answer of HTTP alone",
    labels: ["status"],
  },
  watershed_dns_steered_total: { type: "counter", help: "Geo answers", labels: ["geo", "region", "reason"] },
  watershed_dns_signatures_total: {
    type: "counter",
    help: "Signatures of DNSSEC that were made, or refused on demand over the limit",
    labels: ["result"],
  },
  watershed_dns_snapshot_timestamp_seconds: {
    type: "gauge",
    help: "When what is answered was last made anew, by a change of health, override or config",
    labels: [],
  },
  watershed_geo_database_timestamp_seconds: {
    type: "gauge",
    help: "When the geo database was built, by its own word",
    labels: ["database"],
  },
  watershed_dns_region_healthy: {
    type: "gauge",
    help: "1 while clients are sent to a region",
    labels: ["geo", "region"],
  },
  watershed_dns_region_override: {
    type: "gauge",
    help: "1 while an operator has set this state for a region",
    labels: ["geo", "region", "state"],
  },
  watershed_dns_overrides_refused: {
    type: "gauge",
    help: "1 while the file of overrides is broken, so that an older state is in force",
    labels: [],
  },
  watershed_http_requests_total: { type: "counter", help: "Answered requests", labels: ["route", "pool", "status"] },
  watershed_http_replies_total: {
    type: "counter",
    help: "Replies that the router itself made",
    labels: ["reason"],
  },
  watershed_http_connections_refused_total: {
    type: "counter",
    help: "Connections that were reset or told to go: by a cap (client, all, descriptors, handshakes) or a list",
    labels: ["by"],
  },
  watershed_http_connections: {
    type: "gauge",
    help: "Connections of clients",
    labels: [],
    across: "sum",
  },
  watershed_http_deny_file_networks: { type: "gauge", help: "Networks of a deny file in force", labels: ["file"] },
  watershed_http_deny_file_refused: {
    type: "gauge",
    help: "1 while a deny file is broken, so that an older state is in force",
    labels: ["file"],
  },
  watershed_http_handshakes_failed_total: {
    type: "counter",
    help: "Connections that did not get past the TLS handshake",
    labels: [],
  },
  watershed_http_request_seconds: {
    type: "histogram",
    help: "From the head of a request to the end of its answer",
    labels: ["route", "pool"],
    buckets: secondsBuckets,
  },
  watershed_http_first_byte_seconds: {
    type: "histogram",
    help: "From the head of a request to the head of the server's answer",
    labels: ["route", "pool"],
    buckets: secondsBuckets,
  },
  watershed_http_received_bytes_total: {
    type: "counter",
    help: "Bytes of the bodies of requests",
    labels: ["route", "pool"],
  },
  watershed_http_sent_bytes_total: {
    type: "counter",
    help: "Bytes of the bodies of answers",
    labels: ["route", "pool"],
  },
  watershed_http_log_lines_dropped_total: {
    type: "counter",
    help: "Lines of the access log that could not be written",
    labels: [],
  },
  watershed_http_active_requests: { type: "gauge", help: "Requests under way", labels: [], across: "sum" },
  watershed_http_pool_active_requests: {
    type: "gauge",
    help: "Requests under way at the servers of a pool",
    labels: ["pool"],
    across: "sum",
  },
  watershed_http_mirrored_total: {
    type: "counter",
    help: "Copies of requests for a mirror, by what became of them",
    labels: ["pool", "result"],
  },
  watershed_http_retries_total: { type: "counter", help: "Further tries of a request", labels: ["pool", "reason"] },
  watershed_http_hedges_total: {
    type: "counter",
    help: "Slow requests that a second try was wanted for, by what became of it",
    labels: ["pool", "result"],
  },
  watershed_http_spans_total: {
    type: "counter",
    help: "Spans for the collector of traces: sent, failed, or dropped because too many waited",
    labels: ["result"],
  },
  watershed_http_sticky_total: {
    type: "counter",
    help: "Requests of sticky pools, by how they came by their bucket",
    labels: ["pool", "by"],
  },
  watershed_l4_connections_total: {
    type: "counter",
    help: "Connections that have ended, by outcome",
    labels: ["listener", "pool", "reason"],
  },
  watershed_l4_active_connections: {
    type: "gauge",
    help: "Connections under way",
    labels: ["listener"],
    across: "sum",
  },
  watershed_l4_bytes_total: { type: "counter", help: "Bytes carried", labels: ["listener", "direction"] },
  watershed_origin_requests_total: { type: "counter", help: "Requests that a server has answered", labels: ["server"] },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metricTable;
export type LabelsOf<Name extends MetricName> = Readonly<
  Record<(typeof metricTable)[Name]["labels"][number], string | number>
>;
