import type { L7RouterConfig } from "#shared/config/schema/l7-router.ts";
import type { TracingConfig } from "#shared/config/schema/tracing.ts";
import type { Host } from "#shared/server/service.ts";
import { randomHex } from "#l7-router/random-hex.ts";
import type { SpanSink } from "./otlp.ts";
import { spansOf } from "./spans.ts";
import type { RequestFacts } from "./spans.ts";
import { beginTrace } from "./trace-context.ts";
import type { RequestTrace } from "./trace-context.ts";

const complaintMs = 60_000; // a collector that is gone must not fill the log
const closeMs = 2_000; // for what is left at the end; the process has 30 s in all

/** Exports the spans of requests by OpenTelemetry. The packages are loaded only where a config asks for it. */
export class Tracing {
  readonly #config: TracingConfig;
  readonly #host: Host;
  readonly #sink: SpanSink;
  #complainedMs = Number.NEGATIVE_INFINITY;

  private constructor(config: TracingConfig, host: Host, sinkOf: (tracing: Tracing) => SpanSink) {
    this.#config = config;
    this.#host = host;
    this.#sink = sinkOf(this);
  }

  /** @param former stays open if what the config says of it is the same */
  static async open(
    { tracing: config, region, zone }: Pick<L7RouterConfig, "tracing" | "region" | "zone">,
    host: Host,
    former: Tracing | undefined,
  ): Promise<Tracing | undefined> {
    if (!config) return undefined;
    if (former && JSON.stringify(former.#config) === JSON.stringify(config)) return former;
    const place = {
      ...(region !== undefined && { "cloud.region": region }),
      ...(zone !== undefined && { "cloud.availability_zone": zone }),
    };
    const otlp = await import("./otlp.ts");
    const resource = { "service.name": "watershed-l7-router", "service.instance.id": host.node, ...place };
    return new Tracing(config, host, (tracing) => {
      return new otlp.SpanSink({
        config,
        resource,
        onSent: (spans) => host.metrics.count("watershed_http_spans_total", { result: "sent" }, spans),
        onLost: (spans, result, why) => tracing.#lost(spans, result, why),
      });
    });
  }

  /** @param kept a valid traceparent of the request */
  begin(kept: string | undefined): RequestTrace {
    return beginTrace(kept, () => this.#host.random() * 100 < this.#config.percent, randomHex);
  }

  /** The request is over. */
  write(facts: RequestFacts): void {
    this.#sink.write(facts.trace.traceId, spansOf(facts));
  }

  /** @param next takes over: it may be this one */
  async close(next: Tracing | undefined): Promise<void> {
    if (next === this) return;
    await this.#sink.close(new Promise((resolve) => void this.#host.clock.after(closeMs, resolve)));
  }

  #lost(spans: number, result: "failed" | "dropped", why: string): void {
    const { metrics, clock, log } = this.#host;
    metrics.count("watershed_http_spans_total", { result }, spans);
    if (clock.nowMs() - this.#complainedMs < complaintMs) return;
    this.#complainedMs = clock.nowMs();
    log.warn({ spans, why, to: this.#config.otlp }, "spans_lost");
  }
}
