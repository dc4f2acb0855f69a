import type { Metrics } from "#shared/observe/metrics.ts";
import type { Transport } from "./answer.ts";
import { rcodeName, typeLabel } from "./wire/codes.ts";
import type { Query } from "./wire/query.ts";

const transports = ["udp", "tcp", "tls", "https"] as const satisfies readonly Transport[];
const typesMax = 258; // the largest type that has a name here is CAA, 257; the others are counted as one
const otherType = typesMax;
const rcodesMax = 24; // the largest is BADCOOKIE, 23
const cells = (typesMax + 1) * rcodesMax;

/** What is counted for every query: an addition in an array each. Told to the metrics when somebody reads them. */
export class Counters {
  readonly #queries = new Float64Array(transports.length * cells);
  readonly #dropped = new Float64Array(transports.length);
  #truncated = 0;
  #withSubnet = 0;

  countAnswer(transport: Transport, query: Query, rcode: number, truncated: boolean): void {
    const type = query.hasQuestion ? query.type : 0;
    if (query.subnetAt > 0) this.#withSubnet++;
    if (truncated) this.#truncated++;
    const cell = transports.indexOf(transport) * cells + (type < typesMax ? type : otherType) * rcodesMax + rcode;
    this.#queries[cell] = (this.#queries[cell] ?? 0) + 1;
  }

  countDropped(transport: Transport): void {
    const i = transports.indexOf(transport);
    this.#dropped[i] = (this.#dropped[i] ?? 0) + 1;
  }

  /** Adds what has come since the last time. */
  tell(metrics: Metrics): void {
    for (const [t, transport] of transports.entries()) {
      for (let cell = 0; cell < cells; cell++) {
        const count = this.#queries[t * cells + cell] ?? 0;
        if (count === 0) continue;
        const type = Math.floor(cell / rcodesMax);
        const rcode = rcodeName(cell % rcodesMax);
        // Type 0 is no type: the query had no question that could be read.
        const label = type === 0 ? "none" : typeLabel(type);
        metrics.count("watershed_dns_queries_total", { transport, type: label, rcode }, count);
      }
      const dropped = this.#dropped[t] ?? 0;
      if (dropped > 0) metrics.count("watershed_dns_dropped_total", { transport }, dropped);
    }
    if (this.#truncated > 0) metrics.count("watershed_dns_truncated_total", {}, this.#truncated);
    if (this.#withSubnet > 0) metrics.count("watershed_dns_subnet_queries_total", {}, this.#withSubnet);
    this.#queries.fill(0);
    this.#dropped.fill(0);
    this.#truncated = 0;
    this.#withSubnet = 0;
  }
}
