/** What is known of a ClientHello after the bytes got so far. `name` is in small letters; undefined if the client names none. */
export type ClientHelloResult =
  | { readonly state: "more" }
  | { readonly state: "invalid"; readonly why: string }
  | { readonly state: "done"; readonly name: string | undefined };

const handshake = 22;
const clientHello = 1;
const extensionServerName = 0;
const nameTypeHost = 0;
const recordBytesMax = 16_384; // RFC 8446 §5.1
const helloBytesMax = 16_384; // the longest seen (post-quantum key shares, many extensions) have about 2 KB
const nameForm = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

const more: ClientHelloResult = { state: "more" };
const invalid = (why: string): ClientHelloResult => ({ state: "invalid", why });

/** Reads the server name of the TLS ClientHello at the start of a stream, which may lie in several records. Never throws.
 * @see RFC 8446 §4.1.2 and §5.1, RFC 6066 §3 */
export function readClientHello(bytes: Buffer): ClientHelloResult {
  const parts: Buffer[] = [];
  let length = 0;
  for (let at = 0; ;) {
    const left = bytes.length - at;
    if (left >= 1 && bytes[at] !== handshake) return invalid("not a TLS handshake record");
    if (left >= 2 && bytes[at + 1] !== 3) return invalid("not TLS");
    if (left < 5) return more;
    const recordLength = bytes.readUInt16BE(at + 3);
    if (recordLength === 0 || recordLength > recordBytesMax) return invalid(`a record of ${recordLength} bytes`);
    const part = bytes.subarray(at + 5, at + 5 + recordLength);
    parts.push(part);
    length += part.length;
    const message = parts.length === 1 ? part : Buffer.concat(parts, length);
    const wanted = helloLength(message);
    if (typeof wanted === "string") return invalid(wanted);
    if (wanted !== undefined && message.length >= wanted) return readHello(message.subarray(4, wanted));
    if (part.length < recordLength) return more;
    at += 5 + recordLength;
  }
}

/** @returns bytes of the whole message, head included; undefined while that is not known; or why it is none */
function helloLength(message: Buffer): number | undefined | string {
  if (message.length >= 1 && message[0] !== clientHello) return "the first message is no ClientHello";
  if (message.length < 4) return undefined;
  const length = message.readUIntBE(1, 3);
  return length > helloBytesMax ? `a ClientHello of ${length} bytes` : 4 + length;
}

function readHello(hello: Buffer): ClientHelloResult {
  const reader = new Reader(hello);
  reader.skip(2 + 32); // version, random
  reader.skip(reader.number(1)); // session id
  reader.skip(reader.number(2)); // cipher suites
  reader.skip(reader.number(1)); // compression methods
  if (reader.isAtEnd) return { state: "done", name: undefined }; // no extensions
  const extensions = new Reader(reader.take(reader.number(2)));
  if (reader.isBroken || !reader.isAtEnd) return invalid("the ClientHello is cut short");
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const body = extensions.take(extensions.number(2));
    if (extensions.isBroken) return invalid("an extension is cut short");
    if (type === extensionServerName) return readServerName(body);
  }
  return { state: "done", name: undefined };
}

function readServerName(body: Buffer): ClientHelloResult {
  const outer = new Reader(body);
  const list = new Reader(outer.take(outer.number(2)));
  const type = list.number(1);
  const name = list.take(list.number(2)).toString("latin1").toLowerCase();
  if (outer.isBroken || list.isBroken || !outer.isAtEnd || !list.isAtEnd) return invalid("a broken server name");
  if (type !== nameTypeHost || !nameForm.test(name)) return invalid("the server name is no host name");
  return { state: "done", name };
}

/** Reads on and on; what is not there reads as 0 or nothing, and is remembered. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  isBroken = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.isBroken || this.#at >= this.#bytes.length;
  }

  number(length: number): number {
    const bytes = this.take(length);
    return this.isBroken ? 0 : bytes.readUIntBE(0, length);
  }

  skip(length: number): void {
    this.take(length);
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) this.isBroken = true;
    const taken = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return taken;
  }
}
