import { parseAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import type { Client } from "./answer.ts";

const dot = 0x2e;
const zero = 0x30;

/** Who asks. The text of its address, as the socket gives it, is read when somebody wants to know: most queries tell a
 * client subnet instead. One object serves every query. */
export class Peer implements Client {
  readonly #ipv4 = new Uint8Array(4);
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
    if (readIpv4(this.#text, this.#ipv4)) return this.#ipv4;
    const bytes = parseAddress(this.#text.replace(/%.*$/, "")); // link-local addresses come with their interface
    return bytes ?? this.#ipv4.fill(0);
  }
}

/** Reads "192.0.2.1", as sockets write it. @returns false for an address of another form */
function readIpv4(text: string, into: Uint8Array): boolean {
  let part = 0;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      into[part++] = value;
      value = 0;
    } else if (code >= zero && code <= zero + 9) value = value * 10 + code - zero;
    else return false;
  }
  into[part] = value;
  return part === 3;
}
