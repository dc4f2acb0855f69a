import type { Socket } from "node:net";
import { TrafficError, messageOf } from "#shared/core/error.ts";
import type { ProxyHeader, ProxyProtocolVersion } from "./header.ts";
import { readProxyHeader } from "./read.ts";

/** Consumes the header that an accepted socket must begin with. Every byte behind it is put back, and the socket is left
 * paused: listen, then resume() it. The caller owns the socket, its 'error' event and, after a rejection, its end.
 * @throws {TrafficError} PROXY_HEADER_INVALID if there is none, it is broken, the peer leaves, or `timeoutMs` passes */
export function acceptProxyHeader(
  socket: Socket,
  accept: ProxyProtocolVersion,
  timeoutMs: number,
): Promise<ProxyHeader> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed) return reject(refused("the connection is closed"));
    let got: Buffer = Buffer.alloc(0); // at most one header and one read of the socket: readProxyHeader bounds it

    const onData = (chunk: Buffer) => {
      got = got.length === 0 ? chunk : Buffer.concat([got, chunk]);
      const result = readProxyHeader(got, accept);
      if (result.state === "more") return;
      socket.pause();
      stop();
      if (result.state === "invalid") return reject(refused(result.why));
      if (got.length > result.bytesRead) socket.unshift(got.subarray(result.bytesRead));
      resolve(result.header);
    };
    const fail = (why: string) => {
      socket.pause();
      stop();
      reject(refused(why));
    };
    const onEnd = () => fail(`the connection ended after ${got.length} bytes`);
    const onClose = () => fail(`the connection closed after ${got.length} bytes`);
    const onError = (error: Error) => fail(messageOf(error));
    const timer = setTimeout(() => fail(`no whole header in ${timeoutMs} ms`), timeoutMs);
    const stop = () => {
      clearTimeout(timer);
      socket.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onError);
    };

    socket.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onError);
    socket.resume();
  });
}

function refused(why: string): TrafficError {
  return new TrafficError("PROXY_HEADER_INVALID", `PROXY header: ${why}`, { origin: "downstream" });
}
