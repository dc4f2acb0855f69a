/** The events of one node from now on, as its admin API streams them. */
export class NodeEvents implements AsyncDisposable {
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(reader: ReadableStreamDefaultReader<string>) {
    this.#reader = reader;
  }

  /** Resolves once the node streams: what happens after that is seen.
   * @param admin "address:port" */
  static async of(admin: string): Promise<NodeEvents> {
    const response = await fetch(`http://${admin}/events`);
    if (!response.ok || !response.body) throw new Error(`${admin} /events: ${response.status}`);
    const events = new NodeEvents(response.body.pipeThrough(new TextDecoderStream()).getReader());
    await events.#more();
    return events;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#reader.read();
    if (done) throw new Error("the stream of events ended");
    this.#text += value;
  }

  /** The next event of this type whose data has these values. */
  async next(type: string, wanted: Readonly<Record<string, unknown>> = {}): Promise<Record<string, unknown>> {
    for (;;) {
      const end = this.#text.indexOf("\n\n");
      if (end === -1) {
        await this.#more();
        continue;
      }
      const block = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      const line = block.split("\n").find((each) => each.startsWith("data: "));
      if (!line) continue;
      const event = JSON.parse(line.slice("data: ".length)) as { type: string; data: Record<string, unknown> };
      if (event.type === type && Object.entries(wanted).every(([key, value]) => event.data[key] === value))
        return event.data;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}
