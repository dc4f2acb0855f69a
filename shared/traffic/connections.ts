import http from "node:http";
import type { Duplex } from "node:stream";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import { dial } from "#shared/net/dial.ts";

const connectTimeoutMs = 1_000;
const answerTimeoutMs = 5_000; // longer than three attempts of a router of 1 s each
const idleConnectionsMax = 8; // of one client to one address: browsers keep six
const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]); // RFC 9110 §9.2.1

export interface SentRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  /** Without Host. */
  readonly headers?: readonly (readonly [string, string])[] | undefined;
  readonly body?: string | undefined;
}

export interface Answer {
  readonly status: number;
  /** Header `X-Origin-Server`; null where there is none. */
  readonly server: string | null;
}

/** Why no whole answer came, and whether the next address may be tried. */
export class NoAnswer extends Error {
  /** Nothing was sent, or the method is safe: it may be sent once more. */
  readonly mayRepeat: boolean;
  /** A kept connection was closed at that very moment: the same address may well answer on a new one. */
  readonly wasKept: boolean;

  constructor(message: string, mayRepeat: boolean, wasKept: boolean) {
    super(message);
    this.mayRepeat = mayRepeat;
    this.wasKept = wasKept;
  }
}

/** The connections of one client. Safe methods share kept ones, as browsers do; others get a new one each, so that a request
 * that must not be sent twice never meets a connection that is just being closed. */
export class Connections {
  readonly #kept: DialingAgent | undefined;
  readonly #fresh: DialingAgent;

  /** @param keep whether connections are kept at all */
  constructor(localAddress: string, keep: boolean) {
    this.#kept = keep ? new DialingAgent(localAddress, true) : undefined;
    this.#fresh = new DialingAgent(localAddress, false);
  }

  /** Sends one request and reads the whole answer.
   * @throws {NoAnswer} */
  send(to: { readonly host: string; readonly port: number }, hostHeader: string, request: SentRequest) {
    const isSafe = safeMethods.has(request.method);
    const agent = isSafe ? (this.#kept ?? this.#fresh) : this.#fresh;
    const headers = [["Host", hostHeader], ["User-Agent", "watershed-traffic"], ...(request.headers ?? [])];
    if (request.body !== undefined) headers.push(["Content-Length", String(Buffer.byteLength(request.body))]);
    else if (!isSafe) headers.push(["Content-Length", "0"]);
    const { method, path, body } = request;
    const outgoing = http.request({ ...to, method, path, headers: headers.flat(), agent, setHost: false });
    return answerOf(outgoing, body, formatSocketAddress(to.host, to.port), isSafe);
  }

  /** Ends all connections; what is under way ends without an answer. */
  close(): void {
    this.#kept?.destroy();
    this.#fresh.destroy();
  }
}

function answerOf(
  outgoing: http.ClientRequest,
  body: string | undefined,
  address: string,
  isSafe: boolean,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let timer: NodeJS.Timeout | undefined;
    const fail = (error: unknown) => {
      clearTimeout(timer);
      const sentNothing = error instanceof TrafficError && error.retryable;
      const text = error instanceof TrafficError ? error.message : `${address}: ${messageOf(error)}`;
      reject(new NoAnswer(text, isSafe || sentNothing, outgoing.reusedSocket));
    };
    // From here on the time counts for the answer: a connect has a limit of its own.
    outgoing.on("socket", () => {
      timer = setTimeout(() => {
        outgoing.destroy(new Error(`no whole answer in ${answerTimeoutMs} ms`));
        fail(new Error(`no whole answer in ${answerTimeoutMs} ms`)); // Also where the head of it came.
      }, answerTimeoutMs);
    });
    outgoing.on("error", fail);
    outgoing.on("response", (incoming) => {
      const server = incoming.headers["x-origin-server"];
      incoming.on("error", () => {}); // A cut body ends in 'close' too, and shows as not complete.
      incoming.on("close", () => {
        clearTimeout(timer);
        if (!incoming.complete) return fail(new Error("the answer was cut"));
        resolve({ status: incoming.statusCode ?? 0, server: typeof server === "string" ? server : null });
      });
      incoming.resume();
    });
    outgoing.end(body);
  });
}

/** Node's agent, with our dial under it: its own source address, and a time limit for the connect. */
class DialingAgent extends http.Agent {
  readonly #localAddress: string;

  constructor(localAddress: string, keepAlive: boolean) {
    super({ keepAlive, maxFreeSockets: idleConnectionsMax, scheduling: "lifo" });
    this.#localAddress = localAddress;
  }

  override createConnection(
    { host, port }: { host?: string | undefined; port?: number | string | undefined },
    onMade?: (error: Error | null, socket: Duplex) => void,
  ): undefined {
    const to = { host: host ?? "", port: Number(port), localAddress: this.#localAddress, timeoutMs: connectTimeoutMs };
    dial(to).then(
      (socket) => onMade?.(null, socket),
      (error: unknown) => (onMade as (error: unknown) => void)(error),
    );
  }
}
