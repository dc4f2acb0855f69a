import { z } from "zod";

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text);
  return (
    url !== null && (url.protocol === "http:" || url.protocol === "https:") && url.search === "" && url.hash === ""
  );
}

/** The key `tracing` of a router. */
export const tracingSchema = z.strictObject({
  otlp: z
    .string()
    .refine(isHttpUrl, "the URL of a collector, such as http://127.0.0.1:4318")
    .describe("collector of OpenTelemetry that takes OTLP over HTTP; spans are posted to /v1/traces below it"),
  headers: z.record(z.string(), z.string()).default({}).describe("that the collector asks for, such as a key"),
  percent: z
    .number()
    .min(0)
    .max(100)
    .default(100)
    .describe("of the requests that come without a traceparent; of the others, the caller has said whether"),
});
export type TracingConfig = z.output<typeof tracingSchema>;
