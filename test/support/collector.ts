import { once } from "node:events";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { z } from "zod";

const valueSchema = z.union([
  z.object({ stringValue: z.string() }).transform(({ stringValue }) => stringValue),
  z.object({ intValue: z.coerce.number() }).transform(({ intValue }) => intValue),
  z.object({ boolValue: z.boolean() }).transform(({ boolValue }) => boolValue),
  z.object({ doubleValue: z.number() }).transform(({ doubleValue }) => doubleValue),
]);
const attributesSchema = z
  .array(z.object({ key: z.string(), value: valueSchema }))
  .default([])
  .transform((list) => Object.fromEntries(list.map(({ key, value }) => [key, value])));

const kinds: Readonly<Record<number, string>> = { 2: "server", 3: "client" };
const spanSchema = z
  .object({
    traceId: z.string(),
    spanId: z.string(),
    parentSpanId: z.string().optional(),
    name: z.string(),
    kind: z.number(),
    startTimeUnixNano: z.string(),
    endTimeUnixNano: z.string(),
    attributes: attributesSchema,
    status: z.object({ code: z.number().default(0) }).default({ code: 0 }),
  })
  .transform(({ kind, startTimeUnixNano, endTimeUnixNano, status, ...rest }) => ({
    ...rest,
    kind: kinds[kind] ?? String(kind),
    startedAtMs: Number(startTimeUnixNano) / 1e6,
    endedAtMs: Number(endTimeUnixNano) / 1e6,
    isError: status.code === 2,
  }));
export type CollectedSpan = z.output<typeof spanSchema>;

/** @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
const requestSchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: attributesSchema }),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
    }),
  ),
});

/** A collector of traces that takes OTLP over HTTP as JSON. */
export class Collector implements AsyncDisposable {
  readonly spans: CollectedSpan[] = [];
  readonly resources: Record<string, unknown>[] = [];
  readonly heads: http.IncomingHttpHeaders[] = [];
  readonly #server: http.Server;

  private constructor(answers: boolean) {
    this.#server = http.createServer((request, response) => {
      if (!answers) return;
      void this.#take(request).then((status) =>
        response.writeHead(status, { "content-type": "application/json" }).end("{}"),
      );
    });
  }

  /** @param answers false: it takes requests and never says anything */
  static async start({ answers = true } = {}): Promise<Collector> {
    const collector = new Collector(answers);
    collector.#server.listen(0, "127.0.0.1");
    await once(collector.#server, "listening");
    return collector;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #take(request: http.IncomingMessage): Promise<number> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (request.method !== "POST" || request.url !== "/v1/traces") return 404;
    this.heads.push(request.headers);
    for (const { resource, scopeSpans } of requestSchema.parse(JSON.parse(Buffer.concat(chunks).toString()))
      .resourceSpans) {
      this.resources.push(resource.attributes);
      for (const { spans } of scopeSpans) this.spans.push(...spans);
    }
    return 200;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
