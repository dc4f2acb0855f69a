import { z } from "zod";

const eventCharsMax = 65_536; // an event is some hundred characters

const eventSchema = z.object({ type: z.string(), data: z.record(z.string(), z.unknown()) });
/** An event of a node, as `GET /events` streams it. */
export type NodeEvent = z.output<typeof eventSchema>;

/** Reads a stream of server-sent events, piece by piece. What is no event of a node is left out.
 * @see HTML Living Standard §9.2.6 */
export class EventReader {
  #rest = "";

  /** The events that are whole with this piece. */
  push(text: string): NodeEvent[] {
    const blocks = (this.#rest + text).split("\n\n");
    const rest = blocks.pop() ?? "";
    this.#rest = rest.length > eventCharsMax ? "" : rest;
    return blocks.flatMap(parseBlock);
  }
}

function parseBlock(block: string): NodeEvent[] {
  const data = block
    .split("\n")
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice("data:".length).trimStart());
  if (data.length === 0) return []; // a comment
  try {
    const parsed = eventSchema.safeParse(JSON.parse(data.join("\n")));
    return parsed.success ? [parsed.data] : [];
  } catch {
    return [];
  }
}
