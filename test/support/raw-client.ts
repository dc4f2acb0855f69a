import { once } from "node:events";
import net from "node:net";

/** One HTTP/1.x answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  readonly version: string;
  /** Lines in order: [name in lower case, value]. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  /** The first value of a header, by its name in lower case. */
  header(name: string): string | undefined;
}

/** A client that writes whatever bytes it is told, and reads answers strictly. */
export class RawClient {
  readonly socket: net.Socket;
  /** How the connection ended. */
  readonly ended: Promise<"end" | "reset">;
  #buffer = "";
  #isOver = false;
  #wake: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.socket = socket;
    this.ended = new Promise((resolve) => {
      socket.on("end", () => resolve("end"));
      socket.on("error", () => resolve("reset"));
      socket.on("close", () => resolve("reset"));
    });
    socket.on("data", (chunk) => {
      this.#buffer += chunk.toString("latin1");
      this.#wake();
    });
    void this.ended.then(() => {
      this.#isOver = true;
      this.#wake();
    });
  }

  static async connect(address: string, options: { localAddress?: string } = {}): Promise<RawClient> {
    const [host, port] = address.split(":");
    const socket = net.connect({
      host: host ?? "",
      port: Number(port),
      allowHalfOpen: true,
      noDelay: true,
      ...options,
    });
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Bytes that came and were not yet read as an answer. */
  get unread(): string {
    return this.#buffer;
  }

  send(text: string | Buffer): void {
    this.socket.write(typeof text === "string" ? Buffer.from(text, "latin1") : text);
  }

  /** Waits until the bytes so far satisfy `found`, and takes as many as it says. */
  async take(found: (bytes: string) => number): Promise<string> {
    for (;;) {
      const length = found(this.#buffer);
      if (length >= 0) {
        const taken = this.#buffer.slice(0, length);
        this.#buffer = this.#buffer.slice(length);
        return taken;
      }
      if (this.#isOver) throw new Error(`the connection ended; so far: ${JSON.stringify(this.#buffer)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Everything up to and with `mark`. */
  through(mark: string): Promise<string> {
    return this.take((bytes) => {
      const at = bytes.indexOf(mark);
      return at < 0 ? -1 : at + mark.length;
    });
  }

  /** Reads one whole answer; 1xx count as answers. */
  async answer(method = "GET"): Promise<RawAnswer> {
    const head = (await this.through("\r\n\r\n")).slice(0, -4).split("\r\n");
    const start = /^HTTP\/(\d\.\d) (\d{3})(?: |$)/.exec(head[0] ?? "");
    if (!start) throw new Error(`not a status line: ${head[0]}`);
    const headers = head.slice(1).map(lineOf);
    const header = (name: string) => headers.find(([key]) => key === name)?.[1];
    const status = Number(start[2]);
    const bodiless = method === "HEAD" || status < 200 || status === 204 || status === 304;
    const { body, trailers } = bodiless ? { body: "", trailers: [] } : await this.#body(header);
    return { status, version: start[1] ?? "", headers, body, trailers, header };
  }

  async #body(header: (name: string) => string | undefined): Promise<Pick<RawAnswer, "body" | "trailers">> {
    if (header("transfer-encoding") === "chunked") return this.#chunks();
    const length = header("content-length");
    if (length !== undefined) {
      return { body: await this.take((bytes) => (bytes.length < Number(length) ? -1 : Number(length))), trailers: [] };
    }
    if ((await this.ended) === "reset") throw new Error("reset within a body");
    return { body: await this.take((bytes) => bytes.length), trailers: [] };
  }

  async #chunks(): Promise<Pick<RawAnswer, "body" | "trailers">> {
    let body = "";
    for (;;) {
      const size = Number.parseInt((await this.through("\r\n")).slice(0, -2), 16);
      if (size === 0) break;
      body += (await this.take((bytes) => (bytes.length < size + 2 ? -1 : size + 2))).slice(0, -2);
    }
    const trailers: (readonly [string, string])[] = [];
    for (let line = await this.through("\r\n"); line !== "\r\n"; line = await this.through("\r\n"))
      trailers.push(lineOf(line.slice(0, -2)));
    return { body, trailers };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function lineOf(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
