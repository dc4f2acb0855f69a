import { expectation } from "#shared/config/error.ts";
import { readEscape } from "../../wire/name.ts";

/** Bytes, one character each: what RDATA is put together from. */
export type ByteString = string;

/** One word of a record as it is written, escapes not resolved yet: one character a byte. */
export interface Word {
  readonly text: ByteString;
  /** It stood in quotes, which are not part of the text. */
  readonly quoted: boolean;
  /** Counted from 1. */
  readonly line: number;
  readonly column: number;
}

/** What is wrong with a record, and at which word, if it is one. */
export class RecordError extends Error {
  readonly word: Word | undefined;

  constructor(message: string, word?: Word) {
    super(message);
    this.word = word;
  }
}

const shownCharsMax = 60; // enough to find it in the line

/** @throws {RecordError} "expected X, got Y (hint)", always */
export function refuse(word: Word | undefined, expected: string, hint?: string): never {
  const { text = "" } = word ?? {};
  const shown = text.length > shownCharsMax ? `${text.slice(0, shownCharsMax)}…` : text;
  const got = word ? JSON.stringify(shown) : "the end of the record";
  throw new RecordError(expectation({ expected, got, hint }), word);
}

/** The words of a record, taken one after the other. */
export class Words {
  readonly #words: readonly Word[];
  #at = 0;

  constructor(words: readonly Word[]) {
    this.#words = words;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#words.length;
  }

  peek(): Word | undefined {
    return this.#words[this.#at];
  }

  /** @throws {RecordError} if none is left */
  take(expected: string): Word {
    const word = this.#words[this.#at++];
    return word ?? refuse(undefined, expected);
  }

  takeRest(): readonly Word[] {
    const rest = this.#words.slice(this.#at);
    this.#at = this.#words.length;
    return rest;
  }
}

/** RDATA, read field by field. Whoever reads past its end is told so. */
export class DataReader {
  readonly bytes: ByteString;
  at = 0;

  constructor(bytes: ByteString) {
    this.bytes = bytes;
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  /** @throws {RecordError} if there are fewer */
  take(count: number): ByteString {
    if (count > this.left) throw new RecordError(`the data ends ${count - this.left} bytes too soon`);
    this.at += count;
    return this.bytes.slice(this.at - count, this.at);
  }

  takeNumber(byteCount: number): number {
    return numberOf(this.take(byteCount));
  }

  takeRest(): ByteString {
    return this.take(this.left);
  }
}

/** Big-endian, unsigned. */
export function numberOf(bytes: ByteString): number {
  let value = 0;
  for (let i = 0; i < bytes.length; i++) value = value * 256 + bytes.charCodeAt(i);
  return value;
}

/** Big-endian. @param byteCount at most 4 */
export function bytesOfNumber(value: number, byteCount: number): ByteString {
  let bytes = "";
  for (let i = byteCount - 1; i >= 0; i--) bytes += String.fromCharCode((value >>> (8 * i)) & 0xff);
  return bytes;
}

/** What a character-string means: its escapes resolved. @see RFC 1035 §5.1 */
export function unescape(word: Word): ByteString {
  const { text } = word;
  if (!text.includes("\\")) return text;
  let bytes = "";
  for (let at = 0; at < text.length;) {
    if (text[at] !== "\\") {
      bytes += text.charAt(at++);
      continue;
    }
    const escaped = readEscape(text, at);
    if (!escaped) return refuse(word, "\\DDD up to \\255, or \\ and a character");
    bytes += escaped.character;
    at = escaped.end;
  }
  return bytes;
}

/** In quotes, as it would be written. */
export function quote(bytes: ByteString): string {
  let text = "";
  for (const character of bytes) {
    if (character === '"' || character === "\\") text += `\\${character}`;
    else if (character >= " " && character <= "~") text += character;
    else text += `\\${String(character.charCodeAt(0)).padStart(3, "0")}`;
  }
  return `"${text}"`;
}
