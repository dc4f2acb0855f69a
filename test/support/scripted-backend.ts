import { once } from "node:events";
import net from "node:net";

/** A request as a lenient server would read it. */
export interface SeenRequest {
  readonly line: string;
  /** Lines in order as they came: [name, value]. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly string[];
  /** Counts connections from 0. */
  readonly connection: number;
  readonly socket: net.Socket;
  /** Every value of a header, by its name in lower case. */
  values(name: string): string[];
}

export interface Script {
  /** Answers a request that has come whole. Default: 200 "ok". */
  onRequest?(request: SeenRequest, backend: ScriptedBackend): void;
  /** Called as soon as a head has come, before its body; true: it answered and reads no further. */
  onHead?(request: SeenRequest, backend: ScriptedBackend): boolean | void;
  onConnection?(socket: net.Socket, connection: number): void;
}

/** A server that reads leniently, notes everything, and answers with whatever bytes its script says. */
export class ScriptedBackend implements AsyncDisposable {
  readonly requests: SeenRequest[] = [];
  readonly sockets: net.Socket[] = [];
  readonly #server: net.Server;
  readonly #script: Script;
  #wake: (() => void)[] = [];

  private constructor(script: Script) {
    this.#script = script;
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => this.#accept(socket));
  }

  static async start(script: Script = {}, listen = "127.0.0.1:0"): Promise<ScriptedBackend> {
    const backend = new ScriptedBackend(script);
    const [host, port] = listen.split(":");
    backend.#server.listen(Number(port), host);
    await once(backend.#server, "listening");
    return backend;
  }

  get address(): string {
    const { address, port } = this.#server.address() as net.AddressInfo;
    return `${address}:${port}`;
  }

  /** Resolves when `holds` does; asked again at every request and every end of a connection. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#wake.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const one of wake) one();
  }

  #accept(socket: net.Socket): void {
    const connection = this.sockets.push(socket) - 1;
    socket.on("error", () => {});
    socket.on("close", () => this.#changed());
    socket.on("end", () => {
      socket.end();
      this.#changed();
    });
    this.#script.onConnection?.(socket, connection);
    this.#changed();
    let buffer = "";
    let headDone = false;
    let deaf = false;
    socket.on("data", (chunk) => {
      if (deaf) return;
      buffer += chunk.toString("latin1");
      for (;;) {
        const end = buffer.indexOf("\r\n\r\n");
        if (end < 0) return;
        const head = requestOf(buffer.slice(0, end), connection, socket);
        if (!headDone) deaf = this.#script.onHead?.(head, this) === true;
        headDone = true;
        if (deaf) {
          this.requests.push(head);
          return this.#changed();
        }
        const whole = bodyOf(head, buffer.slice(end + 4));
        if (!whole) return;
        const { body, trailers, rest } = whole;
        const request = { ...head, body, trailers };
        buffer = rest;
        headDone = false;
        this.requests.push(request);
        if (this.#script.onRequest) this.#script.onRequest(request, this);
        else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        this.#changed();
      }
    });
  }
}

function requestOf(head: string, connection: number, socket: net.Socket): SeenRequest {
  const [line = "", ...lines] = head.split("\r\n");
  const headers = lines.map((text) => {
    const colon = text.indexOf(":");
    return [text.slice(0, colon), text.slice(colon + 1).trim()] as const;
  });
  const values = (name: string) => headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  return { line, headers, body: "", trailers: [], connection, socket, values };
}

/** The body by its framing, or undefined while it is not whole. Without framing there is none. */
function bodyOf(request: SeenRequest, bytes: string): { body: string; trailers: string[]; rest: string } | undefined {
  if (request.values("transfer-encoding").some((coding) => coding.includes("chunked"))) return chunksOf(bytes);
  const length = Number(request.values("content-length")[0] ?? 0);
  if (bytes.length < length) return undefined;
  return { body: bytes.slice(0, length), trailers: [], rest: bytes.slice(length) };
}

function chunksOf(bytes: string): { body: string; trailers: string[]; rest: string } | undefined {
  let body = "";
  let at = 0;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(bytes.slice(at, lineEnd), 16);
    at = lineEnd + 2;
    if (size === 0) break;
    if (bytes.length < at + size + 2) return undefined;
    body += bytes.slice(at, at + size);
    at += size + 2;
  }
  const trailers: string[] = [];
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const line = bytes.slice(at, lineEnd);
    at = lineEnd + 2;
    if (line === "") return { body, trailers, rest: bytes.slice(at) };
    trailers.push(line);
  }
}
