import fs from "node:fs";
import path from "node:path";
import { Hono } from "hono";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { streamSSE } from "hono/streaming";
import { TrafficError, UsageError, messageOf } from "#shared/core/error.ts";
import { isCrossSite, isLocalName, sameSecret } from "#shared/server/admin-guard.ts";
import type { Commands } from "./commands.ts";
import type { Session, TimelineEvent } from "./model.ts";
import type { StackState } from "./state/stack-state.ts";

const bodyBytesMax = 256 * 1_024; // a request to trace, with its body
const streamsMax = 32; // pages; each is sent a snapshot twice a second
const keepAliveMs = 15_000; // below the idle limits of common proxies
const eventsMax = 1_000; // a page this far behind gets the newest

/** What the console answers with. */
export interface ConsoleParts {
  readonly state: StackState;
  readonly commands: Commands;
  /** The folder of the built page. */
  readonly pageDir: string;
  session(): Promise<Omit<Session, "token">>;
  /** Needed for everything. Undefined: only commands need one, which is made at the start and handed to the page. */
  readonly adminToken: string | undefined;
  readonly ownToken: string;
  /** Tells one run of the console from the next, whose events count from 1 again. */
  readonly runId: string;
}

/** The web console: the page, a stream of snapshots and events, and commands. */
export function consoleApp(parts: ConsoleParts): Hono {
  const app = new Hono();
  app.onError((error, c) => {
    if (error instanceof UsageError) return c.json({ error: error.message }, 400);
    if (error instanceof TrafficError) return c.json({ error: error.message }, 502);
    if ("getResponse" in error) return c.json({ error: "the body is too long" }, 413); // of bodyLimit
    process.stderr.write(`${messageOf(error)}\n`);
    return c.json({ error: "internal error; see the log" }, 500);
  });
  app.notFound((c) => c.json({ error: `there is no ${c.req.method} ${c.req.path}` }, 404));
  app.use(secured(parts.adminToken === undefined));
  app.use("/api/*", authorized(parts), bodyLimit({ maxSize: bodyBytesMax }));
  app.get("/api/session", async (c) => {
    const token = parts.adminToken === undefined ? parts.ownToken : null;
    return c.json({ token, ...(await parts.session()) });
  });
  app.get("/api/stream", (c) => streamState(c, parts));
  app.get("/api/samples", (c) => c.json(parts.state.history.samplesSince(Number(c.req.query("since") ?? 0) || 0)));
  app.get("/api/snapshot", (c) => {
    const found = parts.state.history.findAt(Number(c.req.query("at")));
    return found === undefined ? c.json({ error: "nothing is kept yet" }, 404) : c.body(found, 200, json);
  });
  app.post("/api/commands/:name", async (c) => {
    const input: unknown = await c.req.json().catch(() => {
      throw new UsageError("the body must be JSON");
    });
    return c.json((await parts.commands.run(c.req.param("name"), input)) ?? null);
  });
  addPage(app, parts.pageDir);
  return app;
}

const json = { "content-type": "application/json" };

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Headers of every answer; and no answer for a name that may have been made to point here (DNS rebinding), nor for a page of
 * another site. */
function secured(localOnly: boolean): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header("host");
    if (localOnly && !isLocalName(host))
      return c.json({ error: "the Host must be an IP address or localhost while no token is set" }, 403);
    // Following a link to the page is no request that a page of another site makes.
    const navigates = c.req.header("sec-fetch-mode") === "navigate" && c.req.method === "GET";
    const site = navigates ? undefined : c.req.header("sec-fetch-site");
    if (isCrossSite(site, c.req.header("origin"), host))
      return c.json({ error: "requests of another site are refused" }, 403);
    await next();
    c.header("content-security-policy", policy);
    c.header("x-content-type-options", "nosniff");
    c.header("referrer-policy", "no-referrer");
    c.header("cross-origin-opener-policy", "same-origin");
    c.header("cross-origin-resource-policy", "same-origin");
    if (!c.res.headers.has("cache-control")) c.header("cache-control", "no-store");
  };
}

/** With the token of the stack for everything where there is one, else with that of this console for commands. */
function authorized({ adminToken, ownToken }: ConsoleParts): MiddlewareHandler {
  return async (c, next) => {
    const wanted = adminToken ?? (c.req.method === "GET" ? undefined : ownToken);
    if (wanted === undefined || sameSecret(c.req.header("authorization") ?? "", `Bearer ${wanted}`)) return next();
    return c.json({ error: "the token of the stack is needed" }, 401, { "www-authenticate": "Bearer" });
  };
}

let streams = 0;

/** Snapshots (`snapshot`) and what happens (`events`). A page that reads slowly gets the newest snapshot, not all of them; with
 * Last-Event-ID "RUN-ID" it gets the events that it has missed.
 * @see HTML Living Standard §9.2 */
function streamState(c: Context, { state, runId }: ConsoleParts): Response {
  if (streams >= streamsMax) return c.json({ error: `${streamsMax} pages look already` }, 503);
  streams++;
  const [run, id] = (c.req.header("last-event-id") ?? "").split("/");
  const lastId = run === runId ? Number(id) || 0 : 0;
  c.header("cache-control", "no-store");
  return streamSSE(c, async (stream) => {
    let events: TimelineEvent[] = [...state.timeline.since(lastId)];
    let snapshot: string | undefined = state.latestText;
    let wake = () => {};
    const stops = [
      state.subscribe((text) => {
        snapshot = text;
        wake();
      }),
      state.timeline.subscribe((event) => {
        events.push(event);
        if (events.length > eventsMax) events.shift();
        wake();
      }),
    ];
    const keepAlive = setInterval(() => wake(), keepAliveMs);
    stream.onAbort(() => wake());
    try {
      await stream.write(`retry: 1000\nevent: run\ndata: ${JSON.stringify({ runId, resumed: lastId > 0 })}\n\n`);
      while (!stream.aborted && !stream.closed) {
        if (events.length > 0) {
          const batch = events;
          events = [];
          await stream.writeSSE({
            event: "events",
            id: `${runId}/${batch.at(-1)?.id ?? 0}`,
            data: JSON.stringify(batch),
          });
        } else if (snapshot) {
          const latest = snapshot;
          snapshot = undefined;
          await stream.writeSSE({ event: "snapshot", data: latest });
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
          if (events.length === 0 && !snapshot && !stream.aborted) await stream.write(": alive\n\n");
        }
      }
    } finally {
      streams--;
      clearInterval(keepAlive);
      for (const stop of stops) stop();
    }
  });
}

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
};

/** The files of the built page, read once. Their names hold a hash of what is in them, all but that of index.html. */
function addPage(app: Hono, dir: string): void {
  for (const file of fs.readdirSync(dir, { recursive: true, encoding: "utf8" })) {
    const whole = path.join(dir, file);
    if (!fs.statSync(whole).isFile()) continue;
    const bytes = fs.readFileSync(whole);
    const type = types[path.extname(file)] ?? "application/octet-stream";
    const isIndex = file === "index.html";
    const cache = isIndex ? "no-cache" : "public, max-age=31536000, immutable";
    app.get(isIndex ? "/" : `/${file.replaceAll(path.sep, "/")}`, (c) =>
      c.body(bytes, 200, { "content-type": type, "cache-control": cache }),
    );
  }
}
