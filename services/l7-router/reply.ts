import type { Downstream } from "./engine/engine.ts";
import { valueOf } from "./headers.ts";
import type { Refusal } from "./refusal.ts";

/** Sends an answer of the router's own: JSON to whoever asks for it, else one line of text.
 * @param own further header lines, such as X-Request-Id
 * @param close the connection ends after it
 * @returns bytes of the body */
export function reply(downstream: Downstream, refused: Refusal, own: readonly string[], close: boolean): number {
  const { status, reason, message } = refused;
  if (refused.body !== undefined) return replyWith(downstream, refused, refused.body, own, close);
  const wantsJson = valueOf(downstream.head.headers, "accept")?.includes("json") ?? false;
  const body = wantsJson ? `${JSON.stringify({ status, reason, message })}\n` : `${reason}: ${message}\n`;
  const type = wantsJson ? "application/json" : "text/plain; charset=utf-8";
  downstream.send(status, [...linesOf(refused, type, body), ...own], body, close);
  return sentOf(downstream, body);
}

const lengthless: ReadonlySet<number> = new Set([204, 304]); // RFC 9110 §8.6

function replyWith(
  downstream: Downstream,
  { status, reason, headers = [] }: Refusal,
  body: string,
  own: readonly string[],
  close: boolean,
): number {
  const length = lengthless.has(status) ? [] : ["Content-Length", String(Buffer.byteLength(body))];
  downstream.send(status, [...headers, ...length, "X-Watershed-Reason", reason, ...own], body, close);
  return sentOf(downstream, body);
}

function sentOf({ head }: Downstream, body: string): number {
  return head.method === "HEAD" ? 0 : Buffer.byteLength(body);
}

function linesOf(refused: Refusal, type: string, body: string): string[] {
  return [
    "Content-Type",
    type,
    "Content-Length",
    String(Buffer.byteLength(body)),
    "Cache-Control",
    "no-store",
    "X-Watershed-Reason",
    refused.reason,
    ...(refused.headers ?? []),
  ];
}

/** A whole reply as bytes, for a connection whose request could not even be read. Ends the connection. */
export function rawReply(refused: Refusal, statusText: string): string {
  const body = `${refused.reason}: ${refused.message}\n`;
  const lines = linesOf(refused, "text/plain; charset=utf-8", body);
  let head = `HTTP/1.1 ${refused.status} ${statusText}\r\nDate: ${new Date().toUTCString()}\r\n`;
  for (let i = 0; i < lines.length; i += 2) head += `${lines[i]}: ${lines[i + 1]}\r\n`;
  return `${head}Connection: close\r\n\r\n${body}`;
}
