import type { Clock } from "#shared/core/clock.ts";
import type { HistogramSeries } from "#shared/observe/series.ts";
import type { Metrics } from "#shared/observe/metrics.ts";
import type { Transport } from "./answer.ts";

/** One message of so many is timed: reading the clock for each would cost more than what is learned. Odd, so that it falls
 * on each of the messages that a client sends in turn. */
const timedEvery = 63;
const notTimed = -1;

/** How long answers take, as a sample. Messages are answered one at a time, so one is timed at most. */
export class Latency {
  readonly #clock: Clock;
  readonly #series: Readonly<Record<Transport, HistogramSeries>>;
  #untimed = 0;
  #startedMs = notTimed;

  constructor({ clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics }) {
    const seriesOf = (transport: Transport) => metrics.histogram("watershed_dns_answer_seconds", { transport });
    this.#clock = clock;
    this.#series = { udp: seriesOf("udp"), tcp: seriesOf("tcp"), tls: seriesOf("tls"), https: seriesOf("https") };
  }

  /** A message has come. */
  start(): void {
    if (this.#untimed-- > 0) return;
    this.#untimed = timedEvery - 1;
    this.#startedMs = this.#clock.nowMs();
  }

  /** Its reply is made, or it gets none. */
  end(transport: Transport): void {
    if (this.#startedMs === notTimed) return;
    this.#series[transport].observe((this.#clock.nowMs() - this.#startedMs) / 1_000);
    this.#startedMs = notTimed;
  }
}
