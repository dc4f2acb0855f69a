import { z } from "zod";

const objectSchema = z.strictObject({
  format: z
    .enum(["json", "common", "combined"])
    .default("json")
    .describe("json, or the Common Log Format of web servers, combined with Referer and User-Agent"),
  to: z
    .string()
    .min(1)
    .default("stdout")
    .describe("stdout, or the path of a file that is appended to; opened anew with every reload (SIGHUP)"),
  percent: z.number().gt(0).max(100).default(100).describe("share of requests that are logged, drawn by chance"),
});

/** The key `accessLog`. */
export const accessLogSchema = z
  .union([z.boolean(), objectSchema])
  .default(false)
  .transform((log) => (log === true ? objectSchema.parse({}) : log || undefined));
export type AccessLogConfig = z.output<typeof objectSchema>;
