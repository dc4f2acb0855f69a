import { keyOf } from "#l7-router/headers.ts";
import type { HeaderList } from "#l7-router/headers.ts";
import type { Outbox } from "./outbox.ts";

/** Header lines as they go over the wire, without the empty line behind them. */
export function textOfLines(lines: HeaderList): string {
  let text = "";
  for (let i = 0; i < lines.length; i += 2) text += `${lines[i]}: ${lines[i + 1]}\r\n`;
  return text;
}

/** A piece of a body, as a chunk or as it is. */
export function addPiece(outbox: Outbox, piece: Buffer, isChunked: boolean): void {
  if (!isChunked) return outbox.add(piece);
  if (piece.length === 0) return; // It would be the last chunk.
  outbox.add(`${piece.length.toString(16)}\r\n`);
  outbox.add(piece);
  outbox.add("\r\n");
}

export function addEnd(outbox: Outbox, trailers: HeaderList, isChunked: boolean): void {
  if (isChunked) outbox.add(`0\r\n${textOfLines(trailers)}\r\n`);
}

let dateSecond = 0;
let dateText = "";

/** Value of Date, made once a second. @see RFC 9110 §6.6.1 */
export function dateNow(): string {
  const now = Date.now();
  const second = Math.floor(now / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(now).toUTCString();
  }
  return dateText;
}

export function hasDate(headers: HeaderList): boolean {
  for (let i = 0; i < headers.length; i += 2) if (keyOf(headers[i] ?? "") === "date") return true;
  return false;
}
