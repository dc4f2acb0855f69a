const bodyBytesMax = 65_536; // a health answer is short; more is not read for a few words

/** What has come of an answer so far. Bytes as latin1 text. */
export interface PartialBody {
  readonly head: string;
  /** What followed the head. */
  readonly received: string;
  /** The server has closed its side. */
  readonly isEnded: boolean;
}

/** Whether a text stands in the body; undefined while more of it may come.
 * @see RFC 9112 §6.3 (the length of a body), §7.1 (chunks) */
export function findInBody({ head, received, isEnded }: PartialBody, text: string): boolean | undefined {
  const { body, isWhole } = bodyOf(head, received);
  const seen = body.slice(0, bodyBytesMax);
  if (seen.includes(Buffer.from(text).toString("latin1"))) return true;
  return isWhole || isEnded || body.length >= bodyBytesMax || received.length >= 2 * bodyBytesMax ? false : undefined;
}

function bodyOf(head: string, received: string): { body: string; isWhole: boolean } {
  if (/^transfer-encoding:.*\bchunked[ \t]*\r?$/im.test(head)) return readChunks(received);
  const length = /^content-length:[ \t]*(\d+)[ \t]*\r?$/im.exec(head)?.[1];
  if (length === undefined) return { body: received, isWhole: false };
  return { body: received.slice(0, Number(length)), isWhole: received.length >= Number(length) };
}

/** The chunks that have come, the last one perhaps in part. Anything that is no chunk ends the body. */
function readChunks(received: string): { body: string; isWhole: boolean } {
  let body = "";
  for (let at = 0; body.length < bodyBytesMax;) {
    const lineEnd = received.indexOf("\n", at);
    if (lineEnd < 0) return { body, isWhole: false };
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?\r?$/i.exec(received.slice(at, lineEnd))?.[1];
    const bytes = size === undefined ? 0 : Number.parseInt(size, 16);
    if (bytes === 0) return { body, isWhole: true };
    body += received.slice(lineEnd + 1, lineEnd + 1 + bytes);
    at = lineEnd + 1 + bytes + (received.startsWith("\r", lineEnd + 1 + bytes) ? 2 : 1);
  }
  return { body, isWhole: false };
}
