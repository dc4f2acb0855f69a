import { once } from "node:events";
import http2 from "node:http2";
import type { ClientHttp2Session, ClientHttp2Stream, SecureClientSessionOptions } from "node:http2";
import net from "node:net";

/** An answer as it came over HTTP/2. */
export interface Http2Answer {
  readonly status: number;
  /** Lines in order, without pseudo-header fields: [name, value]. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
  readonly trailers: readonly (readonly [string, string])[];
  readonly informations: readonly {
    readonly status: number;
    readonly headers: readonly (readonly [string, string])[];
  }[];
  /** How the stream ended; 0 is well. */
  readonly rstCode: number;
  /** The end of the body has come. */
  readonly isWhole: boolean;
  /** Every value of a header. */
  values(name: string): string[];
}

export interface Http2Ask {
  readonly method?: string;
  readonly path?: string;
  readonly authority?: string;
  /** Further lines: name, value ... */
  readonly lines?: readonly string[];
  readonly body?: string | Buffer;
  readonly trailers?: Record<string, string>;
}

/** A client of HTTP/2: one connection, many requests. */
export class Http2Client implements Disposable {
  readonly session: ClientHttp2Session;
  /** Codes of the GOAWAYs that have come. */
  readonly goaways: number[] = [];
  readonly closed: Promise<unknown>;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on("error", () => {});
    session.on("goaway", (code) => this.goaways.push(code));
    this.closed = new Promise((resolve) => void session.once("close", resolve));
  }

  /** @param address "address:port"; with TLS options over HTTPS, else by prior knowledge */
  static async connect(address: string, tls?: SecureClientSessionOptions): Promise<Http2Client> {
    const [host = "", port] = address.split(":");
    const options = tls
      ? { rejectUnauthorized: false, servername: "www.stream.test", ...tls }
      : { createConnection: () => net.connect({ host, port: Number(port) }) };
    const client = new Http2Client(http2.connect(`${tls ? "https" : "http"}://${address}`, options));
    await once(client.session, "connect");
    return client;
  }

  /** Opens a request and leaves its body to the caller. */
  open({ method = "GET", path = "/", authority = "www.stream.test", lines = [] }: Http2Ask = {}, endStream = false) {
    const pseudo = [":method", method, ":path", path, ":authority", authority, ":scheme", "http"];
    return this.session.request([...pseudo, ...lines], { endStream });
  }

  async ask(ask: Http2Ask = {}): Promise<Http2Answer> {
    const stream = this.open(ask, ask.body === undefined && !ask.trailers);
    const answer = answerOf(stream);
    if (ask.trailers) {
      const { trailers } = ask;
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    }
    if (ask.body !== undefined) stream.end(ask.body);
    return answer;
  }

  [Symbol.dispose](): void {
    this.session.destroy();
  }
}

/** Reads a stream to its end. */
export async function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let status = 0;
  let headers: readonly (readonly [string, string])[] = [];
  let trailers: readonly (readonly [string, string])[] = [];
  let isWhole = false;
  const informations: Http2Answer["informations"][number][] = [];
  const pieces: Buffer[] = [];
  // node:http2 hands over the list of lines behind the object that its types know.
  stream.on("headers", (...args: readonly unknown[]) => informations.push(headOf(args[2])));
  stream.on("response", (...args: readonly unknown[]) => ({ status, headers } = headOf(args[2])));
  stream.on("trailers", (...args: readonly unknown[]) => (trailers = headOf(args[2]).headers));
  stream.on("data", (chunk: Buffer) => pieces.push(chunk));
  stream.on("end", () => (isWhole = stream.rstCode === 0));
  stream.on("error", () => {});
  await new Promise((resolve) => void stream.once("close", resolve));
  const values = (name: string) => headers.filter(([key]) => key === name).map(([, value]) => value);
  const body = Buffer.concat(pieces).toString("latin1");
  return { status, headers, body, trailers, informations, rstCode: stream.rstCode ?? 0, isWhole, values };
}

function headOf(list: unknown): { status: number; headers: (readonly [string, string])[] } {
  const lines = list as readonly string[];
  const headers: (readonly [string, string])[] = [];
  let status = 0;
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i] === ":status") status = Number(lines[i + 1]);
    else headers.push([lines[i] ?? "", lines[i + 1] ?? ""]);
  }
  return { status, headers };
}
