import { METHODS } from "node:http";
import { refusal } from "#l7-router/refusal.ts";
import type { Refusal } from "#l7-router/refusal.ts";
import { bitsOf, colon, cr, lf, space, tab, targetBit, tokenBit, valueBit } from "./bytes.ts";

/** What begins with a start line, or, for the trailers of a chunked body, with none. */
export type HeadKind = "request" | "answer" | "trailers";

export interface HeadBounds {
  /** Of the whole head. */
  readonly bytesMax: number;
  /** Of a request's target: says which of two bounds was passed. */
  readonly targetBytesMax: number;
  readonly linesMax: number;
}

/** A head's place in its bytes has no sense while it is not whole. */
const more = 0;
const faulty = -1;

const atStart = 0;
const atStartLf = 1; // of an empty line before the start line
const inMethod = 2;
const inTarget = 3;
const inVersion = 4;
const atStartLineLf = 5;
const atLine = 6;
const inName = 7;
const beforeValue = 8;
const inValue = 9;
const atLineLf = 10;
const atEndLf = 11;

const versionBytesMax = 8; // HTTP/1.1
const methodBytesMax = 32; // the longest that is known has 13
const statusLineForm = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const versionForm = /^HTTP\/\d\.\d$/;
const knownMethods: ReadonlySet<string> = new Set(METHODS);

const bad = (message: string): Refusal => refusal(400, "BAD_REQUEST", message);

/** Reads one head after the other, byte by byte, however they are cut; strictly: what RFC 9112 calls an error is refused.
 * Goes over each byte once. Holds offsets only; the bytes are the caller's. @see RFC 9112 §2.2, §3, §4, §5 */
export class HeadParser {
  readonly #kind: HeadKind;
  #bounds: HeadBounds;
  /** Offsets of each line from the first byte of the head: name, its end, value, its end. */
  readonly #spots: number[] = [];
  #state: number;
  /** The next byte to look at. */
  #at = 0;
  #lines = 0;
  #startAt = 0;
  #methodEnd = 0;
  #targetEnd = 0;
  #startLineEnd = 0;
  #fault: Refusal | undefined;

  constructor(kind: HeadKind, bounds: HeadBounds) {
    this.#kind = kind;
    this.#bounds = bounds;
    this.#state = kind === "trailers" ? atLine : atStart;
  }

  /** Why the head is none. */
  get fault(): Refusal | undefined {
    return this.#fault;
  }

  /** No byte of a head has come. */
  get isFresh(): boolean {
    return this.#at === 0;
  }

  /** Forgets the head before: the next one begins. */
  reset(bounds = this.#bounds): void {
    this.#bounds = bounds;
    this.#state = this.#kind === "trailers" ? atLine : atStart;
    this.#at = 0;
    this.#lines = 0;
    this.#startAt = 0;
    this.#targetEnd = 0;
    this.#fault = undefined;
  }

  /** Goes on where it stood.
   * @param bytes holds the head from its first byte at `base`
   * @param end offset after the last byte that has come
   * @returns offset after the head; 0 while more must come; -1 if it has a fault */
  scan(bytes: Buffer, base: number, end: number): number {
    let i = base + this.#at;
    let state = this.#state;
    while (i < end) {
      const byte = bytes[i] as number;
      switch (state) {
        case inValue:
          if ((bitsOf[byte] as number) & valueBit) {
            do i++;
            while (i < end && (bitsOf[bytes[i] as number] as number) & valueBit);
            continue;
          }
          if (byte !== cr) return this.#refuse(bad("an invalid character in a header"));
          this.#endValue(bytes, base, i);
          state = atLineLf;
          break;
        case inName:
          if ((bitsOf[byte] as number) & tokenBit) {
            do i++;
            while (i < end && (bitsOf[bytes[i] as number] as number) & tokenBit);
            continue;
          }
          if (byte !== colon) return this.#refuse(bad("an invalid character in the name of a header"));
          this.#spots[this.#lines * 4 + 1] = i - base;
          state = beforeValue;
          break;
        case beforeValue:
          if (byte === space || byte === tab) break;
          this.#spots[this.#lines * 4 + 2] = i - base;
          state = inValue;
          continue;
        case atLine:
          if (byte === cr) {
            state = atEndLf;
            break;
          }
          if (byte === space || byte === tab) return this.#refuse(bad("a folded header"));
          if (this.#lines >= this.#bounds.linesMax) return this.#refuse(tooMany);
          this.#spots[this.#lines * 4] = i - base;
          if (!((bitsOf[byte] as number) & tokenBit)) return this.#refuse(bad("a header without a name"));
          state = inName;
          break;
        case atLineLf:
          if (byte !== lf) return this.#refuse(bad("a bare CR in a header"));
          state = atLine;
          break;
        case inTarget:
          if ((bitsOf[byte] as number) & targetBit) break;
          if (byte !== space || i - base === this.#methodEnd + 1) return this.#refuse(bad("an invalid target"));
          this.#targetEnd = i - base;
          state = inVersion;
          break;
        case inMethod:
          if ((bitsOf[byte] as number) & tokenBit) {
            if (i - base - this.#startAt >= methodBytesMax) return this.#refuse(bad("not a method"));
            break;
          }
          if (byte !== space) return this.#refuse(bad("not a method"));
          this.#methodEnd = i - base;
          state = inTarget;
          break;
        case inVersion:
          if (byte === cr) {
            this.#startLineEnd = i - base;
            const fault = this.#checkStartLine(bytes, base);
            if (fault) return this.#refuse(fault);
            state = atStartLineLf;
            break;
          }
          if (!((bitsOf[byte] as number) & valueBit)) return this.#refuse(bad("an invalid start line"));
          if (this.#kind === "request" && i - base - this.#targetEnd > versionBytesMax)
            return this.#refuse(bad("a space in the target"));
          break;
        case atStartLineLf:
          if (byte !== lf) return this.#refuse(bad("a bare CR in the start line"));
          state = atLine;
          break;
        case atStart:
          if (this.#kind === "answer") {
            state = inVersion;
            continue;
          }
          if (byte === cr && this.#startAt === 0) {
            state = atStartLf;
            break;
          }
          if (!((bitsOf[byte] as number) & tokenBit)) return this.#refuse(bad("not a method"));
          state = inMethod;
          break;
        case atStartLf: // One empty line is forgiven: old clients send it behind a body (RFC 9112 §2.2).
          if (byte !== lf) return this.#refuse(bad("a bare CR"));
          this.#startAt = i + 1 - base;
          state = atStart;
          break;
        case atEndLf:
          if (byte !== lf) return this.#refuse(bad("a bare CR at the end of the head"));
          this.#state = state;
          if (i + 1 - base > this.#bounds.bytesMax) return this.#refuse(this.#tooLarge());
          return i + 1;
      }
      i++;
    }
    this.#at = i - base;
    this.#state = state;
    return this.#at > this.#bounds.bytesMax ? this.#refuse(this.#tooLarge()) : more;
  }

  /** The parts of a request line, once the head is whole.
   * @param text the head as latin1 */
  startOf(text: string): { readonly method: string; readonly target: string; readonly version: string } {
    return {
      method: text.slice(this.#startAt, this.#methodEnd),
      target: text.slice(this.#methodEnd + 1, this.#targetEnd),
      version: text.slice(this.#targetEnd + 6, this.#startLineEnd),
    };
  }

  /** The parts of a status line, once the head is whole; undefined if it is none. */
  statusOf(
    text: string,
  ): { readonly version: string; readonly status: number; readonly statusText: string } | undefined {
    if (text.startsWith("HTTP/1.1 200 OK\r")) return usualStatus;
    const match = statusLineForm.exec(text.slice(0, this.#startLineEnd));
    if (!match) return undefined;
    return { version: match[1] === "1" ? "1.1" : "1.0", status: Number(match[2]), statusText: match[3] ?? "" };
  }

  /** The lines, once the head is whole: name, value, name, value ... */
  linesOf(text: string): string[] {
    const lines: string[] = [];
    const spots = this.#spots;
    for (let i = 0; i < this.#lines * 4; i += 4)
      lines.push(text.slice(spots[i], spots[i + 1]), text.slice(spots[i + 2], spots[i + 3]));
    return lines;
  }

  #endValue(bytes: Buffer, base: number, at: number): void {
    const first = base + (this.#spots[this.#lines * 4 + 2] as number);
    let end = at;
    while (end > first && (bytes[end - 1] === space || bytes[end - 1] === tab)) end--;
    this.#spots[this.#lines * 4 + 3] = end - base;
    this.#lines++;
  }

  #checkStartLine(bytes: Buffer, base: number): Refusal | undefined {
    if (this.#kind === "answer") return undefined; // statusOf() does.
    const text = bytes.toString("latin1", base + this.#startAt, base + this.#startLineEnd);
    const version = text.slice(this.#targetEnd + 1 - this.#startAt);
    if (version !== "HTTP/1.1" && version !== "HTTP/1.0")
      return versionForm.test(version) ? refusal(505, "BAD_REQUEST", "HTTP/1.1 and 1.0 only") : bad("no HTTP version");
    const method = text.slice(0, this.#methodEnd - this.#startAt);
    return knownMethods.has(method) ? undefined : refusal(501, "METHOD_REFUSED", "an unknown method");
  }

  #tooLarge(): Refusal {
    const isInTarget = this.#kind === "request" && (this.#state === inTarget || this.#state === inMethod);
    return isInTarget || this.#targetEnd - this.#methodEnd - 1 > this.#bounds.targetBytesMax
      ? refusal(414, "TARGET_TOO_LONG", "the target is too long")
      : refusal(431, "HEADERS_TOO_LARGE", "the head is too large");
  }

  #refuse(fault: Refusal): number {
    this.#fault = fault;
    return faulty;
  }
}

const usualStatus = { version: "1.1", status: 200, statusText: "OK" };
const tooMany = refusal(431, "HEADERS_TOO_LARGE", "too many header lines");
