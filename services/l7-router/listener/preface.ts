const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1"); // RFC 9113 §3.4

/** Whether a connection begins with HTTP/2 by prior knowledge. No request of HTTP/1 begins so.
 * @param bytes all that have come
 * @returns "more" while it may still become so
 * @see RFC 9113 §3.3 */
export function isPreface(bytes: Buffer): "yes" | "no" | "more" {
  const size = Math.min(bytes.length, preface.length);
  if (preface.compare(bytes, 0, size, 0, size) !== 0) return "no";
  return size === preface.length ? "yes" : "more";
}
