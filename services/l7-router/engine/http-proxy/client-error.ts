import { codeOf } from "#shared/core/error.ts";
import { refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";

/** What node:http says of bytes that it could not read. */
interface ParseError {
  /** Of the parser, such as HPE_INVALID_METHOD. */
  readonly reason?: string;
  /** The bytes of the read in which the error lies; the head may have begun before them. */
  readonly rawPacket?: Buffer;
  /** Of the packet, up to the error. */
  readonly bytesParsed?: number;
}

/** The answer to bytes that are no request; undefined if the connection is over and nobody would read one. */
export function refusalOfClientError(error: unknown): Refusal | undefined {
  const code = codeOf(error);
  const { reason = "", rawPacket, bytesParsed = 0 } = error as ParseError;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return refusal(408, "TIMEOUT", "the head came too slowly");
  if (!code.startsWith("HPE_") || code === "HPE_INVALID_EOF_STATE") return undefined;
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return isInTarget(rawPacket, bytesParsed)
        ? refusal(414, "TARGET_TOO_LONG", "the target is too long")
        : refusal(431, "HEADERS_TOO_LARGE", "the head is too large");
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return refusal(413, "BODY_TOO_LARGE", "the chunk extensions are too large");
    case "HPE_PAUSED_H2_UPGRADE":
      return refusal(505, "BAD_REQUEST", "HTTP/1.1 and 1.0 only");
    case "HPE_INVALID_VERSION":
      return reason === "Invalid HTTP version"
        ? refusal(505, "BAD_REQUEST", "HTTP/1.1 and 1.0 only")
        : refusal(400, "BAD_REQUEST", reason);
    case "HPE_INVALID_METHOD":
      return beginsWithToken(rawPacket, bytesParsed)
        ? refusal(501, "METHOD_REFUSED", "an unknown method")
        : refusal(400, "BAD_REQUEST", "not a method");
    case "HPE_INVALID_TRANSFER_ENCODING":
      // "Transfer-Encoding can't be present with Content-Length", "Empty Transfer-Encoding": the framing is broken.
      return /^(?:Request has invalid|Invalid) `?Transfer-Encoding/.test(reason)
        ? refusal(501, "BAD_REQUEST", "a transfer coding other than chunked")
        : refusal(400, "BAD_REQUEST", reason);
    default:
      return refusal(400, "BAD_REQUEST", reason === "" ? "not HTTP" : reason);
  }
}

/** The overflow came before the end of a request line. A target so long that it came in several reads begins elsewhere;
 * it is then taken for a header, which is refused as well. */
function isInTarget(packet: Buffer | undefined, bytesParsed: number): boolean {
  if (!packet || !/^[A-Z]+ /.test(packet.subarray(0, 16).toString("latin1"))) return false;
  const lineEnd = packet.indexOf("\r\n");
  return lineEnd < 0 || lineEnd >= bytesParsed;
}

/** A request line with a method of valid characters (RFC 9110 §9.1) that the parser does not know. */
function beginsWithToken(packet: Buffer | undefined, bytesParsed: number): boolean {
  if (!packet) return false;
  const lineStart = packet.lastIndexOf("\n", bytesParsed) + 1; // other requests may come before it
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32} [/*h]/.test(packet.subarray(lineStart, lineStart + 64).toString("latin1"));
}
