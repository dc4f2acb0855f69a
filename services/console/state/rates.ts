import { quantileOf } from "./metrics-text.ts";
import type { Buckets, MetricSample } from "./metrics-text.ts";

const requests = "watershed_http_requests_total";
const seconds = "watershed_http_request_seconds_bucket";
const attempts = "watershed_attempts_total";
const queries = "watershed_dns_queries_total";
const steered = "watershed_dns_steered_total";
const connections = "watershed_l4_connections_total";
const served = "watershed_origin_requests_total";

/** The metrics that the console reads. */
export const metricNames: ReadonlySet<string> = new Set([
  requests,
  seconds,
  attempts,
  queries,
  steered,
  connections,
  served,
]);

const windowMs = 3_000; // rates are means over this: calm enough to read, quick enough for a drill

/** Counters of a node at one moment. */
interface Reading {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly buckets: Buckets;
}

/** What came per second within the last seconds. Keys: "node", "errors", "answers", "endpoint POOL ADDRESS", "server NAME",
 * "region NAME". */
export interface Rates {
  of(key: string): number;
  /** Seconds; undefined if nothing came. */
  quantile(share: number): number | undefined;
}

export const noRates: Rates = { of: () => 0, quantile: () => undefined };

/** Makes rates out of the counters of one node. */
export class RateMeter {
  #readings: Reading[] = [];

  /** @param nowMs monotonic */
  push(samples: readonly MetricSample[], nowMs: number): Rates {
    const now = readingOf(samples, nowMs);
    const before = this.#readings.findLast((one) => nowMs - one.atMs >= windowMs) ?? this.#readings[0];
    this.#readings = [...this.#readings.filter((one) => nowMs - one.atMs < 2 * windowMs), now];
    if (!before || before.atMs >= nowMs) return noRates;
    const tookSeconds = (nowMs - before.atMs) / 1_000;
    return {
      // A node that began anew counts from nothing.
      of: (key) => Math.max(0, (now.counts.get(key) ?? 0) - (before.counts.get(key) ?? 0)) / tookSeconds,
      quantile: (share) => quantileOf(before.buckets, now.buckets, share),
    };
  }

  /** The node is not there: what comes next is compared with nothing before. */
  reset(): void {
    this.#readings = [];
  }
}

function readingOf(samples: readonly MetricSample[], atMs: number): Reading {
  const counts = new Map<string, number>();
  const buckets = new Map<number, number>();
  const add = (key: string, value: number) => counts.set(key, (counts.get(key) ?? 0) + value);
  for (const { name, labels, value } of samples) {
    if (name === seconds) {
      if (labels["route"] === "health") continue; // checks of the tier above are no traffic
      const bound = labels["le"] === "+Inf" ? Number.POSITIVE_INFINITY : Number(labels["le"]);
      buckets.set(bound, (buckets.get(bound) ?? 0) + value);
    } else if (name === requests) {
      if (labels["route"] === "health") continue;
      add("node", value);
      if ((labels["status"] ?? "").startsWith("5")) add("errors", value);
    } else if (name === attempts) {
      add(`endpoint ${labels["pool"]} ${labels["endpoint"]}`, value);
    } else if (name === steered) {
      add(`region ${labels["region"]}`, value);
    } else if (name === served) {
      add(`server ${labels["server"]}`, value);
      add("node", value);
    } else if (name === queries || name === connections) {
      add("node", value);
    }
  }
  return { atMs, counts, buckets };
}
