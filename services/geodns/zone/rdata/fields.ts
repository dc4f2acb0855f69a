import { formatAddress, parseAddress } from "#shared/core/cidr.ts";
import { formatName, parseName } from "../../wire/name.ts";
import type { Name } from "../../wire/name.ts";
import { parseTtl } from "../ttl.ts";
import { RecordError, bytesOfNumber, quote, refuse, unescape } from "./words.ts";
import type { ByteString, DataReader, Word, Words } from "./words.ts";

/** Names, texts and addresses as byte strings; several texts as a list. */
export type Value = number | ByteString | readonly ByteString[];

/** One field of RDATA: between how it is written, what it means and its bytes. */
export interface Field<V extends Value = Value> {
  /** @throws {RecordError} at the word that is wrong */
  parse(words: Words, origin: Name): V;
  encode(value: V): ByteString;
  /** @throws {RecordError} if the data has another form */
  read(data: DataReader): V;
  format(value: V): string;
  /** Its names have addresses that are worth to be sent along. */
  readonly isTarget?: boolean;
}

/** Its methods take what its own `parse` or `read` has given. */
const field = <V extends Value>(parts: Field<V>): Field => parts;

/** A whole number of 1, 2 or 4 bytes, or a word for one. */
export function number(byteCount: 1 | 2 | 4, words: Readonly<Record<string, number>> = {}): Field {
  const max = 256 ** byteCount - 1;
  const known = Object.keys(words);
  const wanted = `a whole number 0..${max}${known.length > 0 ? ` or one of ${known.join(", ")}` : ""}`;
  return field<number>({
    parse(taken) {
      const word = taken.take(wanted);
      const named = words[word.text.toUpperCase()];
      return named ?? parseNumber(word, max, wanted);
    },
    encode: (value) => bytesOfNumber(value, byteCount),
    read: (data) => data.takeNumber(byteCount),
    format: String,
  });
}

export function parseNumber(word: Word, max: number, wanted = `a whole number 0..${max}`): number {
  if (!/^\d{1,10}$/.test(word.text) || Number(word.text) > max) return refuse(word, wanted);
  return Number(word.text);
}

/** Seconds, also as "1h30m". */
export const seconds = field<number>({
  parse(words) {
    const word = words.take("a time");
    return parseTtl(word.text) ?? refuse(word, "seconds below 2^31, or a time such as 1h30m");
  },
  encode: (value) => bytesOfNumber(value, 4),
  read: (data) => data.takeNumber(4),
  format: String,
});

const nameField: Field<Name> = {
  parse: (words, origin) => takeName(words, origin),
  encode: (name) => `${name}\0`,
  read: readName,
  format: formatName,
};
export const name = field(nameField);
/** The name of a host. */
export const target = field({ ...nameField, isTarget: true });

export function takeName(words: Words, origin: Name): Name {
  const word = words.take("a domain name");
  const parsed = word.quoted ? undefined : parseName(word.text, origin);
  return parsed ?? refuse(word, "a domain name");
}

/** Uncompressed, as RDATA stands in a zone. */
function readName(data: DataReader): Name {
  let name = "";
  for (;;) {
    const length = data.takeNumber(1);
    if (length === 0) return name;
    if (length > 63 || name.length + length + 2 > 255) throw new RecordError("a name in the data is malformed");
    name += String.fromCharCode(length) + data.take(length).replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  }
}

/** 4 or 16 bytes. */
export function address(byteCount: 4 | 16): Field {
  const wanted = byteCount === 4 ? "an IPv4 address" : "an IPv6 address";
  return field<ByteString>({
    parse(words) {
      const word = words.take(wanted);
      return addressBytes(word, word.text, byteCount);
    },
    encode: (value) => value,
    read: (data) => data.take(byteCount),
    format: formatAddressBytes,
  });
}

export function addressBytes(word: Word, text: string, byteCount: 4 | 16): ByteString {
  const bytes = parseAddress(text);
  if (bytes?.length !== byteCount) return refuse(word, byteCount === 4 ? "an IPv4 address" : "an IPv6 address");
  return String.fromCharCode(...bytes);
}

export function formatAddressBytes(bytes: ByteString): string {
  return formatAddress(Uint8Array.from(bytes, (character) => character.charCodeAt(0)));
}

const stringBytesMax = 255; // RFC 1035 §3.3
const wantedString = `a text of at most ${stringBytesMax} bytes`;

function takeString(words: Words): ByteString {
  const word = words.take(wantedString);
  const bytes = unescape(word);
  return bytes.length <= stringBytesMax ? bytes : refuse(word, wantedString);
}

/** A character-string. */
export const string = field<ByteString>({
  parse: takeString,
  encode: (value) => String.fromCharCode(value.length) + value,
  read: (data) => data.take(data.takeNumber(1)),
  format: quote,
});

/** One character-string or more, to the end. */
export const strings = field<readonly ByteString[]>({
  parse(words) {
    const texts = [takeString(words)];
    while (!words.isEmpty) texts.push(takeString(words));
    return texts;
  },
  encode: (texts) => texts.map((text) => String.fromCharCode(text.length) + text).join(""),
  read(data) {
    const texts = [data.take(data.takeNumber(1))];
    while (data.left > 0) texts.push(data.take(data.takeNumber(1)));
    return texts;
  },
  format: (texts) => texts.map(quote).join(" "),
});

/** A text to the end of the data, without a length before it. */
export const text = field<ByteString>({
  parse: (words) => unescape(words.take("a text")),
  encode: (value) => value,
  read: (data) => data.takeRest(),
  format: quote,
});

/** The tag of a CAA property. @see RFC 8659 §4.1 */
export const tag = field<ByteString>({
  parse(words) {
    const word = words.take("a tag");
    return /^[A-Za-z0-9]{1,255}$/.test(word.text)
      ? word.text
      : refuse(word, "a tag such as issue, of letters and digits");
  },
  encode: (value) => String.fromCharCode(value.length) + value,
  read(data) {
    const value = data.take(data.takeNumber(1));
    if (!/^[A-Za-z0-9]+$/.test(value))
      throw new RecordError("the tag in the data has other bytes than letters and digits");
    return value;
  },
  format: String,
});

/** Bytes to the end, written as hexadecimal digits; blanks between them count for nothing.
 * @param bytesMin at least as many */
export function hex(bytesMin = 1): Field {
  return field<ByteString>({
    parse: (words) => takeHex(words, bytesMin),
    encode: (value) => value,
    read: (data) => takeAtLeast(data, bytesMin),
    format: formatHex,
  });
}

export function takeHex(words: Words, bytesMin: number): ByteString {
  const first = words.peek();
  const rest = words.takeRest();
  const digits = rest.map(({ text }) => text).join("");
  const isHex = /^(?:[0-9A-Fa-f]{2})*$/.test(digits) && rest.every(({ quoted }) => !quoted);
  if (!isHex || digits.length < 2 * bytesMin) refuse(first, "hexadecimal digits, two a byte");
  return Buffer.from(digits, "hex").toString("latin1");
}

export function formatHex(bytes: ByteString): string {
  return Buffer.from(bytes, "latin1").toString("hex").toUpperCase();
}

/** Bytes to the end in base64; blanks count for nothing. */
export const base64 = field<ByteString>({
  parse(words) {
    const first = words.peek();
    const digits = words
      .takeRest()
      .map(({ text }) => text)
      .join("");
    return parseBase64(digits) ?? refuse(first, "base64");
  },
  encode: (value) => value,
  read: (data) => takeAtLeast(data, 1),
  format: formatBase64,
});

/** @returns undefined if it is empty, or not whole */
export function parseBase64(digits: string): ByteString | undefined {
  const isWhole = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(digits);
  return isWhole && digits !== "" ? Buffer.from(digits, "base64").toString("latin1") : undefined;
}

export function formatBase64(bytes: ByteString): string {
  return Buffer.from(bytes, "latin1").toString("base64");
}

function takeAtLeast(data: DataReader, bytesMin: number): ByteString {
  if (data.left < bytesMin) throw new RecordError("the data ends too soon");
  return data.takeRest();
}

/** EUI-48 and EUI-64: bytes in hexadecimal with dashes. @see RFC 7043 */
export function eui(byteCount: 6 | 8): Field {
  const form = new RegExp(`^[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){${byteCount - 1}}$`);
  return field<ByteString>({
    parse(words) {
      const wanted = `${byteCount} bytes such as 00-00-5e-00-53-2a`;
      const word = words.take(wanted);
      if (!form.test(word.text)) return refuse(word, wanted);
      return Buffer.from(word.text.replaceAll("-", ""), "hex").toString("latin1");
    },
    encode: (value) => value,
    read: (data) => data.take(byteCount),
    format: (value) => (formatHex(value).toLowerCase().match(/../g) ?? []).join("-"),
  });
}
