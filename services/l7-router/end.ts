import type { Http2Stream } from "node:http2";
import { Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";

const lingerMs = 5_000; // as nginx' lingering_timeout

/** Cuts the connection so that what was sent never looks whole: by a reset, or under TLS by no close_notify. Of HTTP/2 it
 * is one stream, and its reset says CANCEL (RFC 8441 §5). */
export function reset(stream: Duplex): void {
  // Not close(CANCEL): that would end the stream well first.
  if (isHttp2(stream)) return void addAbortSignal(AbortSignal.abort(), stream);
  if (stream instanceof Socket && !(stream instanceof TLSSocket) && !stream.destroyed) stream.resetAndDestroy();
  else stream.destroy();
}

function isHttp2(stream: Duplex): stream is Http2Stream {
  return "rstCode" in stream;
}

/** From now on the end of the answer ends only our side; what the client still sends is read and thrown away for a
 * while. Closing at once would make the kernel send a reset, which may overtake the answer. @see RFC 9112 §9.6 */
export function endLingering(stream: Duplex): void {
  if (!(stream instanceof Socket)) return;
  // node:http calls this after the last answer of a connection.
  stream.destroySoon = () => linger(stream);
}

/** Ends our side now and the connection a little later. */
export function linger(stream: Duplex, limitMs = lingerMs): void {
  stream.end();
  stream.resume();
  const timer = setTimeout(() => stream.destroy(), limitMs);
  timer.unref();
  stream.once("close", () => clearTimeout(timer));
}
