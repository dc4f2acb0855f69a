/** A domain name in its wire form without the closing root label, one character a byte, ASCII letters lowered:
 * "\x03www\x06stream\x04test". The root is "". Equal names are equal strings, whatever bytes their labels hold. */
export type Name = string;

export const nameBytesMax = 255; // RFC 1035 §3.1, with the root label
export const labelBytesMax = 63; // RFC 1035 §3.1
const headerBytes = 12;

/** Passes over a name that nobody asks for: its pointer is checked, not followed, so that a message costs what it is long.
 * @returns the offset after the name; -1 if it is cut, too long, or its pointer does not point backwards */
export function skipName(message: Uint8Array, offset: number): number {
  for (let at = offset; at < message.length && at - offset < nameBytesMax;) {
    const length = message[at] ?? 0;
    if (length === 0) return at + 1;
    if (length >= 0xc0) {
      const target = ((length & 0x3f) << 8) | (message[at + 1] ?? 0);
      return at + 2 <= message.length && target >= headerBytes && target < offset ? at + 2 : -1;
    }
    if (length > labelBytesMax) return -1;
    at += 1 + length;
  }
  return -1;
}

export function read16(bytes: Uint8Array, offset: number): number {
  return ((bytes[offset] ?? 0) << 8) | (bytes[offset + 1] ?? 0);
}

/** Names are hashed from the root down, label by label (FNV-1a): the hash of a name follows from that of its parent. */
export const hashStart = 0x811c9dc5;
export const hashStep = (hash: number, byte: number): number => Math.imul(hash ^ byte, 0x01000193);

/** The hash of a whole name, as the reader of queries makes it. */
export function hashName(name: Name): number {
  let hash = hashStart;
  const starts: number[] = [];
  for (let at = 0; at < name.length; at += 1 + name.charCodeAt(at)) starts.push(at);
  let end = name.length;
  for (const start of starts.toReversed()) {
    for (let i = start; i < end; i++) hash = hashStep(hash, name.charCodeAt(i));
    end = start;
  }
  return hash >>> 0;
}

export function lowerByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

/** Reads a name as people write it. Without a closing dot it is relative to `origin`; "@" is the origin. `\.` is a dot
 * inside a label, `\DDD` the byte of that number (RFC 1035 §5.1).
 * @returns undefined if a label is empty or over 63 bytes, a byte is neither printable ASCII nor escaped, or the name is
 *   too long */
export function parseName(text: string, origin: Name): Name | undefined {
  if (text === "@") return origin;
  if (text === ".") return "";
  let name = "";
  let label = "";
  let at = 0;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === ".") {
      if (label === "" || label.length > labelBytesMax) return undefined;
      name += String.fromCharCode(label.length) + label;
      label = "";
      at++;
      continue;
    }
    const escaped = character === "\\" ? readEscape(text, at) : undefined;
    if (escaped === undefined && (character === "\\" || character <= " " || character > "~")) return undefined;
    label += lowerLetters(escaped?.character ?? character);
    at = escaped?.end ?? at + 1;
  }
  if (text === "" || label.length > labelBytesMax) return undefined;
  if (label !== "") name += String.fromCharCode(label.length) + label + origin; // no closing dot
  return name.length + 1 <= nameBytesMax ? name : undefined;
}

/** The byte that `\DDD` or `\X` stands for; undefined where it stands for none. @param at of the backslash */
export function readEscape(text: string, at: number): { character: string; end: number } | undefined {
  const next = text.charAt(at + 1);
  if (next === "" || next > "~") return undefined;
  if (next < "0" || next > "9") return { character: next, end: at + 2 };
  const digits = text.slice(at + 1, at + 4);
  if (!/^\d{3}$/.test(digits) || Number(digits) > 255) return undefined;
  return { character: String.fromCharCode(Number(digits)), end: at + 4 };
}

/** ASCII letters only: other bytes have no case (RFC 4343). */
function lowerLetters(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A name for people: "www.stream.test.", unusual bytes escaped as \DDD (RFC 1035 §5.1). */
export function formatName(name: Name): string {
  if (name === "") return ".";
  let text = "";
  for (let at = 0; at < name.length; at += 1 + name.charCodeAt(at)) {
    for (const character of name.slice(at + 1, at + 1 + name.charCodeAt(at))) text += escapeCharacter(character);
    text += ".";
  }
  return text;
}

function escapeCharacter(character: string): string {
  if ('.\\"();@$'.includes(character)) return `\\${character}`; // they mean something in zone files
  if (character > " " && character <= "~") return character;
  return `\\${String(character.charCodeAt(0)).padStart(3, "0")}`;
}

/** The name without its first label; the root's parent is the root. */
export function parentOf(name: Name): Name {
  return name === "" ? "" : name.slice(1 + name.charCodeAt(0));
}

/** Whether a name is `above` or below it. */
export function isAtOrBelow(name: Name, above: Name): boolean {
  for (let rest = name; rest.length >= above.length; rest = parentOf(rest)) {
    if (rest === above) return true;
    if (rest === "") return false;
  }
  return false;
}
