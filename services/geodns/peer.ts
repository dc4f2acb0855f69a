import type { AddressBytes } from "#shared/core/cidr.ts";
import type { Client } from "./answer.ts";

const mapped = "::ffff:"; // an address of IPv4, as a socket of both families gives it
const dot = 0x2e;
const zero = 0x30;
const colon = 0x3a;
const percent = 0x25;
const lowerA = 0x61;

/** Who asks. The text of its address, as the socket gives it, is read when somebody wants to know: most queries tell a
 * client subnet instead. One object serves every query. */
export class Peer implements Client {
  readonly #ipv4 = new Uint8Array(4);
  readonly #ipv6 = new Uint8Array(16);
  #text = "";
  #bytes: AddressBytes | undefined;

  /** @returns false for what is no address */
  take(text: string): boolean {
    this.#text = text;
    this.#bytes = undefined;
    return text !== "";
  }

  get address(): AddressBytes {
    return (this.#bytes ??= this.#read());
  }

  #read(): AddressBytes {
    const start = this.#text.startsWith(mapped) ? mapped.length : 0;
    if (readIpv4(this.#text, start, this.#ipv4, 0)) return this.#ipv4;
    return readIpv6(this.#text, this.#ipv6) ? this.#ipv6 : this.#ipv4.fill(0);
  }
}

/** Reads "192.0.2.1", as sockets write it.
 * @param start where it begins in the text; it ends with it
 * @param at where its bytes go
 * @returns false for an address of another form */
function readIpv4(text: string, start: number, into: Uint8Array, at: number): boolean {
  let part = 0;
  let value = 0;
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      into[at + part++] = value;
      value = 0;
    } else if (code >= zero && code <= zero + 9) value = value * 10 + code - zero;
    else return false;
  }
  into[at + part] = value;
  return part === 3;
}

/** Reads "2001:db8::1", as sockets write it (RFC 5952): in lower case, the last four bytes of some as "192.0.2.1", those of a
 * link with their interface behind "%". @returns false for an address of another form */
function readIpv6(text: string, into: Uint8Array): boolean {
  let at = 0; // next byte
  let gapAt = -1; // where "::" stands
  let partStart = 0;
  let value = 0;
  let i = 0;
  for (; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === percent) break;
    if (code === dot) {
      if (at > 12 || !readIpv4(text, partStart, into, at)) return false;
      return spread(into, at + 4, gapAt);
    }
    if (code === colon) {
      if (i > partStart) at = put(into, at, value);
      else if (i > 0) gapAt = at;
      if (at > 14) return false;
      partStart = i + 1;
      value = 0;
    } else if (code >= zero && code <= zero + 9) value = value * 16 + code - zero;
    else if (code >= lowerA && code <= lowerA + 5) value = value * 16 + code - lowerA + 10;
    else return false;
  }
  if (i > partStart) at = put(into, at, value);
  return spread(into, at, gapAt);
}

/** @returns offset of the next part */
function put(into: Uint8Array, at: number, value: number): number {
  into[at] = value >> 8;
  into[at + 1] = value;
  return at + 2;
}

/** Moves the parts behind the gap to the end, and fills it with zeros. @returns whether that makes 16 bytes */
function spread(into: Uint8Array, end: number, gapAt: number): boolean {
  if (gapAt < 0) return end === 16;
  into.copyWithin(16 - (end - gapAt), gapAt, end);
  into.fill(0, gapAt, 16 - (end - gapAt));
  return true;
}
