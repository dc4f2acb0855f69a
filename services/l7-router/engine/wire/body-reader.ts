import type { HeaderList } from "#l7-router/headers.ts";
import type { AnswerFraming } from "../engine.ts";
import { cr, lf } from "./bytes.ts";
import { HeadParser } from "./head-parser.ts";
import type { HeadBounds } from "./head-parser.ts";

const sizeDigitsMax = 16; // 64 bits; what is not exact in a double is refused below
const extensionBytesMax = 4_096; // of one chunk, and there are few who send any
const trailerBounds: HeadBounds = { bytesMax: 8_192, targetBytesMax: 0, linesMax: 64 }; // checksums and statuses
const extensionsForm =
  /^(?:;[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"(?:[\t !\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)*$/;
const noTrailers: HeaderList = [];

const inLength = 0;
const inClose = 1;
const inSize = 2;
const inExtensions = 3;
const atSizeLf = 4;
const inData = 5;
const atDataCr = 6;
const atDataLf = 7;
const inTrailers = 8;
const isDone = 9;

/** Reads one body after the other, however they are cut. Strict: RFC 9112 §6, §7.1. */
export class BodyReader {
  #state = isDone;
  /** Bytes of the body, or of the chunk, that have yet to come. */
  #left = 0;
  #digits = 0;
  #extensions = "";
  #trailerParser: HeadParser | undefined;
  #trailerBytes: Buffer | undefined;
  trailers: HeaderList = noTrailers;
  /** Why the body is none. */
  fault = "";

  begin(framing: AnswerFraming): void {
    this.trailers = noTrailers;
    this.fault = "";
    switch (framing.kind) {
      case "none":
        this.#state = isDone;
        return;
      case "length":
        this.#left = framing.bytes;
        this.#state = framing.bytes === 0 ? isDone : inLength;
        return;
      case "chunked":
        this.#beginSize();
        return;
      case "close":
        this.#state = inClose;
    }
  }

  get isWhole(): boolean {
    return this.#state === isDone;
  }

  /** It lasts as long as the connection. */
  get endsWithConnection(): boolean {
    return this.#state === inClose;
  }

  /** Reads on.
   * @param into pieces of the body are pushed here, as views of `bytes`
   * @returns offset after what it took: `end`, or less once the body is whole; -1 if it has a fault */
  read(bytes: Buffer, from: number, end: number, into: Buffer[]): number {
    let i = from;
    while (i < end && this.#state !== isDone) {
      switch (this.#state) {
        case inClose:
          into.push(bytes.subarray(i, end));
          return end;
        case inLength:
        case inData: {
          const size = Math.min(this.#left, end - i);
          into.push(i === 0 && size === bytes.length ? bytes : bytes.subarray(i, i + size));
          i += size;
          this.#left -= size;
          if (this.#left === 0) this.#state = this.#state === inLength ? isDone : atDataCr;
          break;
        }
        case inTrailers:
          i = this.#readTrailers(bytes, i, end);
          if (i < 0) return -1;
          break;
        default:
          if (!this.#step(bytes[i] as number)) return -1;
          i++;
      }
    }
    return i;
  }

  /** One byte of what stands around a chunk. */
  #step(byte: number): boolean {
    switch (this.#state) {
      case inSize: {
        const digit = hexOf(byte);
        if (digit >= 0) return this.#addDigit(digit);
        if (this.#digits === 0) return this.#refuse("a bad chunk size");
        this.#state = byte === cr ? atSizeLf : inExtensions;
        if (byte === cr) return true;
        if (byte !== 0x3b) return this.#refuse("a bad chunk size");
        this.#extensions = ";";
        return true;
      }
      case inExtensions:
        if (byte !== cr) {
          this.#extensions += String.fromCharCode(byte);
          return this.#extensions.length <= extensionBytesMax || this.#refuse("the chunk extensions are too large");
        }
        this.#state = atSizeLf;
        return extensionsForm.test(this.#extensions) || this.#refuse("a bad chunk extension");
      case atSizeLf:
        if (byte !== lf) return this.#refuse("a bad end of a chunk size");
        this.#state = this.#left === 0 ? inTrailers : inData;
        return true;
      case atDataCr:
        if (byte !== cr) return this.#refuse("a bad end of a chunk");
        this.#state = atDataLf;
        return true;
      default:
        if (byte !== lf) return this.#refuse("a bad end of a chunk");
        this.#beginSize();
        return true;
    }
  }

  #beginSize(): void {
    this.#state = inSize;
    this.#left = 0;
    this.#digits = 0;
  }

  #addDigit(digit: number): boolean {
    this.#left = this.#left * 16 + digit;
    this.#digits++;
    if (this.#digits <= sizeDigitsMax && this.#left <= Number.MAX_SAFE_INTEGER) return true;
    return this.#refuse("a chunk size that overflows");
  }

  /** Most bodies have none: then these are the two bytes of an empty line. */
  #readTrailers(bytes: Buffer, from: number, end: number): number {
    if (!this.#trailerBytes && end - from >= 2 && bytes[from] === cr && bytes[from + 1] === lf) {
      this.#state = isDone;
      return from + 2;
    }
    this.#trailerParser ??= new HeadParser("trailers", trailerBounds);
    const before = this.#trailerBytes?.length ?? 0;
    const piece = bytes.subarray(from, end);
    const all = this.#trailerBytes ? Buffer.concat([this.#trailerBytes, piece]) : piece;
    const after = this.#trailerParser.scan(all, 0, all.length);
    if (after < 0) {
      this.#refuse(this.#trailerParser.fault?.message ?? "bad trailers");
      return -1;
    }
    if (after === 0) {
      this.#trailerBytes = Buffer.from(all);
      return end;
    }
    this.trailers = this.#trailerParser.linesOf(all.toString("latin1", 0, after));
    this.#trailerParser = undefined;
    this.#trailerBytes = undefined;
    this.#state = isDone;
    for (let i = 0; i < this.trailers.length; i += 2)
      if (/^(?:content-length|transfer-encoding)$/i.test(this.trailers[i] ?? "")) {
        this.#refuse("framing in trailers");
        return -1;
      }
    return from + after - before;
  }

  #refuse(why: string): false {
    this.fault = why;
    return false;
  }
}

function hexOf(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
