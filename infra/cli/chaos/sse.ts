import { z } from "zod";
import { SseReader } from "#shared/observe/sse-reader.ts";

const eventSchema = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });
/** An event of a node, as `GET /events` streams it. */
export type NodeEvent = z.output<typeof eventSchema>;

/** Reads the events of a node, piece by piece. What is no event of a node is left out. */
export class EventReader {
  readonly #reader = new SseReader();

  /** The events that are whole with this piece. */
  push(text: string): NodeEvent[] {
    return this.#reader.push(text).flatMap(({ data }) => {
      try {
        const parsed = eventSchema.safeParse(JSON.parse(data));
        return parsed.success ? [parsed.data] : [];
      } catch {
        return [];
      }
    });
  }
}
