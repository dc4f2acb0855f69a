import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from "@opentelemetry/api";
import type { Context } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { AlwaysOnSampler, BatchSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { TracingConfig } from "#shared/config/schema/tracing.ts";
import type { SpanFacts } from "./spans.ts";

const queuedMax = 2_048; // spans, about 4 MB: some seconds of a busy router; a collector that takes them slower is behind for good
const batchMax = 512; // spans in one POST, about 400 KB
const batchMs = 1_000; // a span waits so long for others
const exportMs = 5_000; // of one POST with its repeats
const succeeded = 0; // ExportResultCode.SUCCESS of @opentelemetry/core

export interface SinkOptions {
  readonly config: TracingConfig;
  /** What every span says of this process. */
  readonly resource: Readonly<Record<string, string>>;
  readonly onSent: (spans: number) => void;
  /** @param why for people */
  readonly onLost: (spans: number, result: "failed" | "dropped", why: string) => void;
}

/** Takes spans that are over, and sends them to a collector in batches. Nobody waits for it: over its bound, or if the
 * collector is gone, spans are lost and counted. */
export class SpanSink {
  readonly #options: SinkOptions;
  readonly #provider: TracerProvider;
  readonly #tracer;
  /** Handed over and not yet on their way. */
  #queued = 0;
  /** On their way. */
  #posted = 0;
  #isClosed = false;
  /** Ids of the span that is made next: they went over the wire before it is made. */
  #traceId = "";
  #spanId = "";

  constructor(options: SinkOptions) {
    const { config, resource } = options;
    this.#options = options;
    const url = `${config.otlp.replace(/\/$/, "")}/v1/traces`;
    const exporter = new OTLPTraceExporter({ url, headers: config.headers, timeoutMillis: exportMs });
    const processor = new BatchSpanProcessor({
      exporter: this.#counting(exporter),
      maxQueueSize: queuedMax,
      maxExportBatchSize: batchMax,
      scheduledDelayMillis: batchMs,
      exportTimeoutMillis: exportMs,
    });
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes(resource),
      sampler: new AlwaysOnSampler(), // What is not sampled does not come here.
      idGenerator: { generateTraceId: () => this.#traceId, generateSpanId: () => this.#spanId },
      spanProcessors: [processor],
    });
    this.#tracer = this.#provider.getTracer("watershed/l7-router");
  }

  /** The spans of one request: all or none of them. */
  write(traceId: string, spans: readonly SpanFacts[]): void {
    if (this.#queued + spans.length > queuedMax)
      return this.#options.onLost(spans.length, "dropped", "the collector is too slow or gone");
    this.#queued += spans.length;
    for (const span of spans) this.#add(traceId, span);
  }

  /** Sends what is left, until `tooLate`. */
  async close(tooLate: Promise<void>): Promise<void> {
    const sent = this.#provider.shutdown().catch(() => {}); // Told by `onLost`.
    await Promise.race([sent, tooLate]);
    this.#isClosed = true;
    const left = this.#queued + this.#posted;
    if (left > 0) this.#options.onLost(left, "failed", "the collector has not answered in time");
  }

  #add(traceId: string, { name, kind, spanId, parentId, attributes, ...span }: SpanFacts): void {
    this.#traceId = traceId;
    this.#spanId = spanId;
    const options = {
      kind: kind === "server" ? SpanKind.SERVER : SpanKind.CLIENT,
      startTime: span.startedAtMs,
      attributes,
      root: parentId === undefined,
    };
    const made = this.#tracer.startSpan(name, options, contextOf(traceId, parentId));
    if (span.isError) made.setStatus({ code: SpanStatusCode.ERROR });
    made.end(span.endedAtMs);
  }

  #counting(exporter: OTLPTraceExporter): SpanExporter {
    return {
      export: (spans: ReadableSpan[], told) => {
        this.#queued -= spans.length;
        this.#posted += spans.length;
        exporter.export(spans, (result) => {
          const code: number = result.code;
          this.#posted -= spans.length;
          told(result);
          if (this.#isClosed) return;
          if (code === succeeded) this.#options.onSent(spans.length);
          else this.#options.onLost(spans.length, "failed", result.error?.message ?? "unknown");
        });
      },
      forceFlush: () => exporter.forceFlush(),
      shutdown: () => exporter.shutdown(),
    };
  }
}

function contextOf(traceId: string, parentId: string | undefined): Context {
  if (parentId === undefined) return ROOT_CONTEXT;
  const spanContext = { traceId, spanId: parentId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, spanContext);
}
