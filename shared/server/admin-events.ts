import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { EventLog, WatershedEvent } from "#shared/observe/events.ts";

const queuedMax = 1_000; // a reader this far behind is cut; it comes back with Last-Event-ID
const keepAliveMs = 15_000; // below the idle limits of common proxies

/** Server-sent events: what came after `Last-Event-ID`, then whatever comes. `?type=` keeps one type only.
 * @see HTML Living Standard §9.2 */
export function streamEvents(c: Context, events: EventLog): Response {
  const lastId = Number(c.req.header("last-event-id") ?? c.req.query("since") ?? Number.POSITIVE_INFINITY);
  const type = c.req.query("type");
  return streamSSE(c, async (stream) => {
    const queue: WatershedEvent[] = Number.isFinite(lastId) ? [...events.since(lastId)] : [];
    let wake = () => {};
    const unsubscribe = events.subscribe((event) => {
      if (queue.push(event) > queuedMax) stream.abort();
      wake();
    });
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
    }
  });
}
