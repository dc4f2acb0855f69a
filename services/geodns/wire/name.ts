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

/** Reads a name as people write it. Without a closing dot it is relative to `origin`; "@" is the origin.
 * @returns undefined if a label is empty, over 63 bytes or not printable ASCII, or the name is too long */
export function parseName(text: string, origin: Name): Name | undefined {
  if (text === "@") return origin;
  if (text === ".") return "";
  const absolute = text.endsWith(".");
  const labels = (absolute ? text.slice(0, -1) : text).split(".");
  let name = "";
  for (const label of labels) {
    if (label.length > labelBytesMax || !/^[!-~]+$/.test(label) || label.includes("\\")) return undefined;
    name += String.fromCharCode(label.length) + label.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  }
  if (!absolute) name += origin;
  return name.length + 1 <= nameBytesMax ? name : undefined;
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
  if (character === "." || character === "\\") return `\\${character}`;
  if (character > " " && character <= "~") return character;
  return `\\${String(character.charCodeAt(0)).padStart(3, "0")}`;
}

/** The name without its first label; the root's parent is the root. */
export function parentOf(name: Name): Name {
  return name === "" ? "" : name.slice(1 + name.charCodeAt(0));
}
