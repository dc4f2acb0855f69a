const blockCharsMax = 65_536; // an event is some hundred characters

/** One server-sent event. */
export interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Reads a stream of server-sent events, piece by piece. Comments are left out.
 * @see HTML Living Standard §9.2.6 */
export class SseReader {
  #rest = "";
  readonly #blockCharsMax: number;

  /** @param charsMax an event that is longer is dropped */
  constructor(charsMax: number = blockCharsMax) {
    this.#blockCharsMax = charsMax;
  }

  /** The events that are whole with this piece. */
  push(text: string): ServerSentEvent[] {
    const blocks = (this.#rest + text).split("\n\n");
    const rest = blocks.pop() ?? "";
    this.#rest = rest.length > this.#blockCharsMax ? "" : rest;
    return blocks.flatMap((block) => {
      const field = (name: string) =>
        block
          .split("\n")
          .filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, ""))
          .join("\n");
      const data = field("data");
      return data === "" ? [] : [{ id: field("id"), event: field("event") || "message", data }];
    });
  }
}
