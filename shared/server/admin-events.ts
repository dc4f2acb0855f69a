import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { WatershedEvent } from "#shared/observe/events.ts";
import type { Host } from "./service.ts";

const queuedMax = 1_000; // a reader this far behind is cut; it comes back with Last-Event-ID
const keepAliveMs = 15_000; // below the idle limits of common proxies

/** Server-sent events: what came after `Last-Event-ID`, then whatever comes. `?type=` keeps one type only; `?watch=decisions` asks
 * for a sample of the decisions that nobody asked to be recorded.
 * @see HTML Living Standard §9.2 */
export function streamEvents(c: Context, { events, decisions }: Pick<Host, "events" | "decisions">): Response {
  const lastId = Number(c.req.header("last-event-id") ?? c.req.query("since") ?? Number.POSITIVE_INFINITY);
  const type = c.req.query("type");
  const isWatching = c.req.query("watch") === "decisions";
  return streamSSE(c, async (stream) => {
    const queue: WatershedEvent[] = Number.isFinite(lastId) ? [...events.since(lastId)] : [];
    let wake = () => {};
    const unsubscribe = events.subscribe((event) => {
      if (queue.push(event) > queuedMax) stream.abort();
      wake();
    });
    const stopWatching = isWatching ? decisions.watch() : () => {};
    const keepAlive = setInterval(() => wake(), keepAliveMs);
    stream.onAbort(() => wake());
    try {
      await stream.write(": connected\n\n");
      while (!stream.aborted && !stream.closed) {
        const event = queue.shift();
        if (event && (type === undefined || event.type === type))
          await stream.writeSSE({ id: String(event.id), event: event.type, data: JSON.stringify(event) });
        if (queue.length > 0) continue;
        await new Promise<void>((resolve) => (wake = resolve));
        if (queue.length === 0 && !stream.aborted) await stream.write(": alive\n\n");
      }
    } finally {
      clearInterval(keepAlive);
      unsubscribe();
      stopWatching();
    }
  });
}
