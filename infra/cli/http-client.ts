import http from "node:http";
import type { Socket } from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import { dial } from "#shared/net/dial.ts";

export interface HttpRequest {
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** All of them, Host too; sent as they stand. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: Buffer | undefined;
  readonly localAddress?: string | undefined;
  readonly connectTimeoutMs: number;
  /** From connected to the end of the answer. */
  readonly timeoutMs: number;
  /** What is kept of the body; the rest is read and only counted. */
  readonly bodyKeptBytesMax: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  /** Of the whole body. */
  readonly bodyBytes: number;
  /** False if the connection was lost, or time ran out, before the body's end. */
  readonly complete: boolean;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly tookMs: number;
}

/** One request on a connection of its own.
 * @throws {TrafficError} CONNECT_FAILED and CONNECT_TIMEOUT (nothing was sent: retryable), TIMEOUT, UPSTREAM_RESET, UPSTREAM_INVALID */
export async function requestHttp(request: HttpRequest): Promise<HttpAnswer> {
  const startedMs = performance.now();
  const socket = await dial({
    host: request.host,
    port: request.port,
    localAddress: request.localAddress,
    timeoutMs: request.connectTimeoutMs,
  });
  const connectMs = performance.now() - startedMs;
  try {
    return await exchange(request, socket, startedMs, connectMs);
  } finally {
    socket.destroy();
  }
}

function exchange(request: HttpRequest, socket: Socket, startedMs: number, connectMs: number): Promise<HttpAnswer> {
  const address = formatSocketAddress(request.host, request.port);
  return new Promise((resolve, reject) => {
    let answer: ReturnType<typeof keepAnswer> | undefined;
    const finish = (error: TrafficError) => {
      clearTimeout(timer);
      if (answer) resolve({ ...answer.soFar(), connectMs, tookMs: performance.now() - startedMs });
      else reject(error);
    };
    const timer = setTimeout(() => {
      finish(failure("TIMEOUT", `${address}: no whole answer in ${request.timeoutMs} ms`));
      socket.destroy();
    }, request.timeoutMs);
    const outgoing = http.request({
      createConnection: () => socket,
      method: request.method,
      path: request.target,
      headers: request.headers.flat(),
    });
    outgoing.on("error", (error) => finish(failure(reasonOf(error), `${address}: ${messageOf(error)}`, error)));
    outgoing.on("response", (incoming) => {
      answer = keepAnswer(incoming, request.bodyKeptBytesMax, performance.now() - startedMs);
      incoming.on("error", () => {}); // A cut body ends in 'close' too, and shows as not complete.
      incoming.on("close", () => finish(failure("UPSTREAM_RESET", `${address}: closed before an answer`)));
    });
    outgoing.end(request.body);
  });
}

function keepAnswer(incoming: http.IncomingMessage, keptBytesMax: number, firstByteMs: number) {
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let bodyBytes = 0;
  incoming.on("data", (chunk: Buffer) => {
    bodyBytes += chunk.length;
    const part = chunk.subarray(0, keptBytesMax - keptBytes);
    keptBytes += part.length;
    if (part.length > 0) kept.push(part);
  });
  return {
    soFar: () => ({
      status: incoming.statusCode ?? 0,
      headers: pairsOf(incoming.rawHeaders),
      body: Buffer.concat(kept),
      bodyBytes,
      complete: incoming.complete,
      firstByteMs,
    }),
  };
}

function pairsOf(raw: readonly string[]): (readonly [string, string])[] {
  return Array.from({ length: raw.length / 2 }, (_, i) => [raw[2 * i] ?? "", raw[2 * i + 1] ?? ""] as const);
}

function reasonOf(error: Error & { code?: string }): "UPSTREAM_INVALID" | "UPSTREAM_RESET" {
  return error.code?.startsWith("HPE_") ? "UPSTREAM_INVALID" : "UPSTREAM_RESET"; // HPE_: Node's parser refused it
}

function failure(reason: "TIMEOUT" | "UPSTREAM_RESET" | "UPSTREAM_INVALID", message: string, cause?: unknown) {
  return new TrafficError(reason, message, { origin: "upstream", cause });
}
