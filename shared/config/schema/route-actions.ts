import { z } from "zod";
import { bytesSchema, cidrSchema, countrySchema, durationSchema } from "./common.ts";
import { accessKeys } from "./access.ts";
import { ratesSchema } from "./rates.ts";

/** A token: the name of a header, a cookie or a method (RFC 9110 §5.6.2). */
export const tokenSchema = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, "a token (RFC 9110 §5.6.2)");

/** What a match may ask of the client itself. */
export const clientMatchKeys = {
  clients: z.array(cidrSchema).min(1).optional().describe("the client is in one of these networks"),
  countries: z.array(countrySchema).min(1).optional().describe("the client is in one of these, by `geo`"),
};

const placeholder = /\{(?:path|rest|query|host|[1-9])\}/g;
const templateSchema = z
  .string()
  .refine(
    (text) => !/[^\x21-\x7e]/.test(text) && !/[{}]/.test(text.replaceAll(placeholder, "")),
    "visible ASCII with {path}, {rest}, {query}, {host} or {1} to {9}",
  );

// What frames a message, names its connection or is rebuilt by the router is not for an edit to break.
const ownHeaders: ReadonlySet<string> = new Set(
  `connection content-length expect forwarded host keep-alive te trailer traceparent transfer-encoding
   upgrade via x-forwarded-for x-forwarded-host x-forwarded-proto x-request-id`.split(/\s+/),
);
const editableSchema = tokenSchema.refine(
  (name) => !ownHeaders.has(name.toLowerCase()),
  "a header that the router does not make itself",
);
const headerValueSchema = z.string().regex(/^[\t\x20-\x7e]{0,4096}$/, "at most 4,096 characters of visible ASCII");
const headerLinesSchema = z.record(editableSchema, headerValueSchema).default({});

/** Edits of the header lines of a message: first `remove`, then `set`, then `add`. */
export const headerEditsSchema = z.strictObject({
  remove: z.array(editableSchema).default([]).describe("every line of these"),
  set: headerLinesSchema.describe("header → value; takes the place of every line of that name"),
  add: headerLinesSchema.describe("header → value; one more line"),
});
export type HeaderEdits = z.output<typeof headerEditsSchema>;

const percentSchema = z.number().min(0).max(100);
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

const respondSchema = z
  .strictObject({
    status: z.int().min(200).max(599).default(200).describe("of the answer"),
    body: z.string().max(65_536).default("").describe("at most 64 KiB"),
    headers: headerLinesSchema.describe("header → value; Content-Type is text/plain unless given"),
  })
  .refine(({ status, body }) => body === "" || !bodiless.has(status), "a status that may have a body");

const redirectSchema = z.strictObject({
  to: templateSchema.describe("the Location, such as https://{host}{path}"),
  status: z
    .literal([301, 302, 303, 307, 308])
    .default(302)
    .describe("308 and 307 keep method and body, 301 and 308 are for good"),
});

const rewriteSchema = z.strictObject({
  path: templateSchema.optional().describe("the path as the server gets it; begins with / once it is filled in"),
  host: templateSchema.optional().describe("the Host as the server gets it"),
});
export type RewriteConfig = z.output<typeof rewriteSchema>;

const maintenanceSchema = z.strictObject({
  on: z.boolean().default(true).describe("at the start; the admin API switches a route that has a name"),
  message: z.string().max(200).default("closed for maintenance").describe("one line for people"),
  retryAfter: durationSchema.prefault("60s").describe("Retry-After, in whole seconds"),
});

const faultSchema = z.strictObject({
  delay: durationSchema.optional().describe("before the request goes on"),
  delayPercent: percentSchema.default(100).describe("of requests are delayed"),
  abort: z.int().min(400).max(599).optional().describe("this status instead of going on"),
  abortPercent: percentSchema.default(100).describe("of requests are aborted"),
});

const mirrorBodyBytesMax = 1_048_576; // of each copy that is gathered

const mirrorSchema = z.strictObject({
  pool: z.string().describe("who gets copies; its answers are thrown away"),
  percent: percentSchema.default(100).describe("of requests are copied"),
  methods: z
    .array(tokenSchema)
    .min(1)
    .default(["GET", "HEAD"])
    .describe("that are copied; a copy of any other may change something twice"),
  bodyBytes: bytesSchema
    .refine((size) => size <= mirrorBodyBytesMax, "a size up to 1MiB")
    .prefault("64KiB")
    .describe("a request with a larger body is not copied"),
});
export type MirrorConfig = z.output<typeof mirrorSchema>;

/** Where a route leads; exactly one of them. */
export const targetKeys = {
  pool: z.string().optional().describe("where requests go"),
  split: z
    .array(
      z.strictObject({
        pool: z.string().describe("where this share goes"),
        weight: z.int().min(0).max(1_000).describe("in proportion to the others"),
      }),
    )
    .min(2)
    .max(16)
    .refine((shares) => shares.some(({ weight }) => weight > 0), "a weight over 0")
    .optional()
    .describe("pools by weight; a client stays with its pool by the hash of its address"),
  redirect: redirectSchema.optional().describe("answer with a Location"),
  respond: respondSchema.optional().describe("answer this"),
};

/** What a route does beside that. */
export const actionKeys = {
  name: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9._-]{0,63}$/, "a letter, then letters, digits, dots, dashes")
    .optional()
    .describe("for people, and for the admin API"),
  rewrite: rewriteSchema.optional().describe("of path and host on the way to the server"),
  requestHeaders: headerEditsSchema.optional().describe("edits of what the server gets"),
  replyHeaders: headerEditsSchema.optional().describe("edits of what the client gets of the server's answer"),
  ...accessKeys,
  maintenance: maintenanceSchema.optional().describe("answer 503 while it is on"),
  mirror: mirrorSchema.optional().describe("sends copies of a share of requests elsewhere"),
  rates: ratesSchema.optional().describe("how often this route may be asked for, beside what holds for every request"),
  fault: faultSchema.optional().describe("delays and aborts a share of requests, for drills"),
};

interface Target {
  readonly mirror?: { readonly pool: string } | undefined;
  readonly pool?: string | undefined;
  readonly split?: readonly { readonly pool: string }[] | undefined;
  readonly redirect?: unknown;
  readonly respond?: unknown;
}

/** Every pool that a route may lead to, with its place in the route. */
export function poolsOf({ pool, split }: Target): { readonly pool: string; readonly path: PropertyKey[] }[] {
  if (pool !== undefined) return [{ pool, path: ["pool"] }];
  return (split ?? []).map((share, i) => ({ pool: share.pool, path: ["split", i, "pool"] }));
}

/** The pools that a route may need: those it leads to, and that of its mirror. */
export function poolsNeeded(target: Target): { readonly pool: string; readonly path: PropertyKey[] }[] {
  const { mirror } = target;
  return [...poolsOf(target), ...(mirror ? [{ pool: mirror.pool, path: ["mirror", "pool"] }] : [])];
}

/** Whether a route leads to one thing. */
export function hasOneTarget({ pool, split, redirect, respond }: Target): boolean {
  return [pool, split, redirect, respond].filter((target) => target !== undefined).length === 1;
}
