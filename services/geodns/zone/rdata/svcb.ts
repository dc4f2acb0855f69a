import type { Field } from "./fields.ts";
import { addressBytes, formatAddressBytes, formatBase64, parseBase64 } from "./fields.ts";
import { RecordError, DataReader, bytesOfNumber, numberOf, quote, refuse, unescape } from "./words.ts";
import type { ByteString, Word } from "./words.ts";

/** Keys of service parameters. @see RFC 9460 §14.3.2, RFC 9461 (dohpath), RFC 9540 (ohttp) */
export const svcKeys = {
  mandatory: 0,
  alpn: 1,
  "no-default-alpn": 2,
  port: 3,
  ipv4hint: 4,
  ech: 5,
  ipv6hint: 6,
  dohpath: 7,
  ohttp: 8,
} as const;

const keyNames = new Map<number, string>(Object.entries(svcKeys).map(([name, key]) => [key, name]));
const keyMax = 65_534; // 65535 is reserved: "invalid key"

/** How the value of a key is written, and its bytes. */
interface Form {
  /** @param text after the "=", its escapes resolved; undefined without one */
  parse(text: ByteString | undefined, word: Word): ByteString;
  /** After the "="; undefined if there is none.
   * @throws {RecordError} if the bytes are none of this key */
  format(value: ByteString): string | undefined;
}

const keyList: Form = {
  parse: (text, word) => {
    const keys = itemsOf(text, word).map((item) => parseKey(item, word));
    if (keys.includes(svcKeys.mandatory) || new Set(keys).size < keys.length)
      refuse(word, "other keys than mandatory, once each");
    return keys
      .sort((a, b) => a - b)
      .map((key) => bytesOfNumber(key, 2))
      .join("");
  },
  format(value) {
    const keys = pieces(value, 2).map(numberOf);
    if (keys.some((key, i) => key <= (keys[i - 1] ?? svcKeys.mandatory)))
      throw new RecordError("the keys of mandatory are not in ascending order, or mandatory is one of them");
    return keys.map(formatKey).join(",");
  },
};

const alpn: Form = {
  parse: (text, word) =>
    splitList(text, word)
      .map((id) => (id === "" || id.length > 255 ? refuse(word, "protocols of 1..255 bytes") : id))
      .map((id) => String.fromCharCode(id.length) + id)
      .join(""),
  format(value) {
    const data = new DataReader(value);
    const ids: string[] = [];
    while (data.left > 0) ids.push(data.take(data.takeNumber(1)));
    if (ids.length === 0 || ids.includes("")) throw new RecordError("a protocol of alpn is empty");
    return quote(ids.map((id) => id.replace(/[\\,]/g, "\\$&")).join(","));
  },
};

const nothing: Form = {
  parse: (text, word) => (text === undefined ? "" : refuse(word, "no value")),
  format(value) {
    if (value !== "") throw new RecordError("a value where none may be");
    return undefined;
  },
};

const port: Form = {
  parse(text, word) {
    const isPort = text !== undefined && /^\d{1,5}$/.test(text) && Number(text) <= 65_535;
    return isPort ? bytesOfNumber(Number(text), 2) : refuse(word, "port=0..65535");
  },
  format(value) {
    if (value.length !== 2) throw new RecordError("a port has two bytes");
    return String(numberOf(value));
  },
};

const hints = (byteCount: 4 | 16): Form => ({
  parse: (text, word) =>
    itemsOf(text, word)
      .map((item) => addressBytes(word, item, byteCount))
      .join(""),
  format: (value) => pieces(value, byteCount).map(formatAddressBytes).join(","),
});

const ech: Form = {
  parse: (text = "", word) => parseBase64(text) ?? refuse(word, "ech=BASE64"),
  format: formatBase64,
};

const opaque: Form = {
  parse: (text = "") => text,
  format: (value) => (value === "" ? undefined : quote(value)),
};

const forms: Readonly<Record<number, Form>> = {
  [svcKeys.mandatory]: keyList,
  [svcKeys.alpn]: alpn,
  [svcKeys["no-default-alpn"]]: nothing,
  [svcKeys.port]: port,
  [svcKeys.ipv4hint]: hints(4),
  [svcKeys.ech]: ech,
  [svcKeys.ipv6hint]: hints(16),
  [svcKeys.ohttp]: nothing,
};

/** The parameters of SVCB and HTTPS, to the end. @see RFC 9460 §2.1, §2.2, Appendix A */
export const svcParams: Field = {
  parse(words) {
    const params = new Map<number, ByteString>();
    for (const word of words.takeRest()) {
      const [key, value] = parseParam(word);
      if (params.has(key)) refuse(word, `${formatKey(key)} once`);
      params.set(key, value);
    }
    return encodeParams(params);
  },
  encode: (value) => String(value),
  read(data) {
    const bytes = data.takeRest();
    readParams(bytes);
    return bytes;
  },
  format: (value) =>
    [...readParams(String(value))]
      .map(([key, bytes]) => {
        const text = formOf(key).format(bytes);
        return text === undefined ? formatKey(key) : `${formatKey(key)}=${text}`;
      })
      .join(" "),
};

/** Keys in ascending order. */
export function encodeParams(params: ReadonlyMap<number, ByteString>): ByteString {
  return [...params]
    .toSorted(([a], [b]) => a - b)
    .map(([key, value]) => bytesOfNumber(key, 2) + bytesOfNumber(value.length, 2) + value)
    .join("");
}

/** @throws {RecordError} if keys are out of order, a mandatory one is missing, or a value is malformed */
function readParams(bytes: ByteString): ReadonlyMap<number, ByteString> {
  const data = new DataReader(bytes);
  const params = new Map<number, ByteString>();
  let last = -1;
  while (data.left > 0) {
    const key = data.takeNumber(2);
    if (key <= last || key > keyMax) throw new RecordError("the keys are not in ascending order");
    const value = data.take(data.takeNumber(2));
    formOf(key).format(value);
    params.set(key, value);
    last = key;
  }
  const mandatory = params.get(svcKeys.mandatory);
  for (const key of mandatory === undefined ? [] : pieces(mandatory, 2).map(numberOf))
    if (!params.has(key)) throw new RecordError(`${formatKey(key)} is mandatory, but not there`);
  if (params.has(svcKeys["no-default-alpn"]) && !params.has(svcKeys.alpn))
    throw new RecordError("no-default-alpn needs alpn beside it");
  return params;
}

const formOf = (key: number) => forms[key] ?? opaque;

/** A key by its name has a value in its own form, a key by its number the bytes themselves. @see RFC 9460 §2.1 */
function parseParam(word: Word): [key: number, value: ByteString] {
  const equals = word.text.indexOf("=");
  const name = equals < 0 ? word.text : word.text.slice(0, equals);
  const key = parseKey(name, word);
  const form = /^key\d/i.test(name) ? opaque : formOf(key);
  if (equals < 0) return [key, form.parse(undefined, word)];
  const written = word.text.slice(equals + 1);
  const isQuoted = written.length >= 2 && written.startsWith('"') && written.endsWith('"');
  const text = unescape({ ...word, text: isQuoted ? written.slice(1, -1) : written });
  return [key, form.parse(text, word)];
}

function parseKey(text: string, word: Word): number {
  const known = Object.entries(svcKeys).find(([name]) => name === text.toLowerCase());
  if (known) return known[1];
  const digits = /^key(0|[1-9]\d{0,4})$/i.exec(text)?.[1];
  if (digits === undefined || Number(digits) > keyMax)
    return refuse(word, `a key: ${Object.keys(svcKeys).join(", ")} or key0..key${keyMax}`);
  return Number(digits);
}

function formatKey(key: number): string {
  return keyNames.get(key) ?? `key${key}`;
}

/** A list of plain words. */
function itemsOf(text: ByteString | undefined, word: Word): string[] {
  const items = (text ?? "").split(",");
  return items.includes("") ? refuse(word, "a list that is not empty, with commas") : items;
}

/** A comma-separated list where `\,` is a comma and `\\` a backslash. @see RFC 9460 Appendix A.1 */
function splitList(text: ByteString | undefined, word: Word): ByteString[] {
  const items = [""];
  for (let at = 0; at < (text ?? "").length; at++) {
    const character = text?.charAt(at) ?? "";
    if (character === ",") items.push("");
    else if (character !== "\\") items[items.length - 1] += character;
    else {
      const next = text?.charAt(++at) ?? "";
      if (next !== "," && next !== "\\") refuse(word, "\\\\, or \\\\\\\\ inside a list");
      items[items.length - 1] += next;
    }
  }
  return items;
}

/** @throws {RecordError} if there is none, or the last is cut */
function pieces(bytes: ByteString, byteCount: number): ByteString[] {
  if (bytes === "" || bytes.length % byteCount !== 0) throw new RecordError("a list in the data is empty or cut");
  return bytes.match(new RegExp(`[^]{${byteCount}}`, "g")) ?? [];
}
