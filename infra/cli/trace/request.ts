import { validateHeaderName, validateHeaderValue } from "node:http";
import { UsageError, messageOf } from "#shared/core/error.ts";

export interface TraceRequest {
  /** Country code or address. */
  readonly from: string;
  /** A path of www of the DNS zone, or an absolute http URL. */
  readonly url: string;
  readonly method: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body?: Buffer | undefined;
  /** Whether the whole body of the answer is kept. */
  readonly wholeBody?: boolean | undefined;
}

/** "Name: value" → its parts.
 * @throws {UsageError} if it cannot be sent */
export function parseHeader(text: string): readonly [string, string] {
  const colon = text.indexOf(":");
  if (colon < 1) throw new UsageError(`--header "${text}": expected "Name: value"`);
  const name = text.slice(0, colon).trim();
  const value = text.slice(colon + 1).trim();
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
  } catch (error) {
    throw new UsageError(`--header "${text}": ${messageOf(error)}`);
  }
  return [name, value];
}

/** @throws {UsageError} unless it is a token (RFC 9110 §9.1) */
export function parseMethod(text: string): string {
  if (/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(text)) return text.toUpperCase();
  throw new UsageError(`--method "${text}": expected a word such as GET`);
}
