import net from "node:net";
import { formatSocketAddress } from "#shared/core/cidr.ts";
import { TrafficError, codeOf, messageOf } from "#shared/core/error.ts";
import { trafficCuts } from "./cuts.ts";

export interface DialOptions {
  readonly host: string;
  readonly port: number;
  /** Own source address, so that limits, logs and PROXY headers tell nodes apart. */
  readonly localAddress?: string | undefined;
  readonly timeoutMs: number;
  readonly allowHalfOpen?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Opens one TCP connection. The socket is handed over with a no-op 'error' listener, so that a reset before the caller
 * listens does not end the process.
 * @throws {TrafficError} CONNECT_FAILED (of internal origin if this machine has run out of something), CONNECT_TIMEOUT, or CLIENT_GONE when `signal` aborts */
export function dial(options: DialOptions): Promise<net.Socket> {
  const { host, port, timeoutMs, signal } = options;
  const address = formatSocketAddress(host, port);
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abandoned(address));
    const socket = openSocket(options);
    const settle = (error?: TrafficError) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      socket.off("connect", onConnect);
      if (!error) return resolve(socket);
      socket.destroy();
      reject(error);
    };
    const onConnect = () => {
      trafficCuts.watch(socket);
      settle();
    };
    const onAbort = () => settle(abandoned(address));
    const timer = setTimeout(() => settle(tooSlow(address, timeoutMs)), timeoutMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.once("connect", onConnect);
    socket.on("error", (error) => {
      if (socket.connecting || !socket.remoteAddress) settle(failed(address, error, options.localAddress));
    });
  });
}

/** A socket that connects; or one that does nothing, where the peer is cut off. */
function openSocket({ host, port, allowHalfOpen = false, localAddress }: DialOptions): net.Socket {
  if (trafficCuts.drops(host)) return new net.Socket({ allowHalfOpen });
  const source = localAddress === undefined ? {} : { localAddress };
  return net.connect({ host, port, noDelay: true, allowHalfOpen, ...source });
}

// What this machine has run out of, or does not have: no fault of the other side.
const ownShortages = new Set(["EMFILE", "ENFILE", "EADDRNOTAVAIL", "EADDRINUSE", "ENOMEM", "ENOBUFS"]);

/** "connect to 127.0.0.1:80 refused", "connect to 127.0.0.1:80: EHOSTUNREACH": the address once. */
function failed(address: string, cause: unknown, localAddress: string | undefined): TrafficError {
  const code = codeOf(cause);
  const from = code === "EADDRNOTAVAIL" && localAddress !== undefined ? ` from ${localAddress}` : "";
  const why = code === "ECONNREFUSED" ? " refused" : `${from}: ${code || messageOf(cause)}`;
  const message = `connect to ${address}${why}`;
  const origin = ownShortages.has(code) ? "internal" : "upstream";
  return new TrafficError("CONNECT_FAILED", message, { origin, retryable: true, cause });
}

function tooSlow(address: string, timeoutMs: number): TrafficError {
  const message = `connect to ${address}: no answer in ${timeoutMs} ms`;
  return new TrafficError("CONNECT_TIMEOUT", message, { origin: "upstream", retryable: true });
}

function abandoned(address: string): TrafficError {
  return new TrafficError("CLIENT_GONE", `connect to ${address}: nobody waits for it any more`, {
    origin: "downstream",
  });
}
