/** The wire format of Redis, version 2. Pure: bytes in, values out, however the bytes were cut.
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/ */

export const bulkBytesMax = 65_536; // a film is 100 bytes; nobody needs more of us
export const argumentsMax = 1_024; // an MGET of a whole page of films, many times over
export const commandBytesMax = 262_144; // of all its words: an MGET of 1,024 keys takes a tenth
const lineBytesMax = 16_384; // an inline command; Redis allows 64 KiB
const depthMax = 4; // replies nest arrays at most twice here

/** One value, as a reply is made of. */
export type Reply =
  | { readonly kind: "simple" | "error"; readonly text: string }
  | { readonly kind: "integer"; readonly value: number }
  | { readonly kind: "bulk"; readonly bytes: Uint8Array | null }
  | { readonly kind: "array"; readonly items: readonly Reply[] | null };

/** What stands next in the bytes got so far. After "invalid" the stream is lost: close it. */
export type Next<Value> =
  | { readonly state: "more" }
  | { readonly state: "invalid"; readonly why: string }
  | { readonly state: "done"; readonly value: Value };

export const ok: Reply = { kind: "simple", text: "OK" };
export const emptyArray: Reply = { kind: "array", items: [] };
export const nullBulk: Reply = { kind: "bulk", bytes: null };
export const errorReply = (text: string): Reply => ({ kind: "error", text });
export const integer = (value: number): Reply => ({ kind: "integer", value });
export const bulk = (content: string | Uint8Array): Reply => ({ kind: "bulk", bytes: Buffer.from(content) });
export const array = (items: readonly Reply[]): Reply => ({ kind: "array", items });

export function encodeReply(reply: Reply): Buffer {
  const parts: Uint8Array[] = [];
  collect(reply, parts);
  return Buffer.concat(parts);
}

function collect(reply: Reply, parts: Uint8Array[]): void {
  const line = (text: string) => parts.push(Buffer.from(`${text}\r\n`));
  // A line break inside a line would be read as a further reply.
  if (reply.kind === "simple") line(`+${oneLine(reply.text)}`);
  else if (reply.kind === "error") line(`-${oneLine(reply.text)}`);
  else if (reply.kind === "integer") line(`:${reply.value}`);
  else if (reply.kind === "bulk" && reply.bytes) {
    line(`$${reply.bytes.length}`);
    parts.push(reply.bytes, Buffer.from("\r\n"));
  } else if (reply.kind === "array" && reply.items) {
    line(`*${reply.items.length}`);
    for (const item of reply.items) collect(item, parts);
  } else line(reply.kind === "bulk" ? "$-1" : "*-1");
}

function oneLine(text: string): string {
  return text.replaceAll(/[\r\n]+/g, " ");
}

export function encodeCommand(words: readonly string[]): Buffer {
  return encodeReply(array(words.map((word) => bulk(word))));
}

/** Bytes that came and are not read yet: less than one bulk or line, and what the last push brought. */
class Unread {
  #bytes: Buffer = Buffer.alloc(0);
  #offset = 0;

  push(chunk: Uint8Array): void {
    const rest = this.#bytes.subarray(this.#offset);
    this.#bytes = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    this.#offset = 0;
  }

  /** First byte of what comes next, or -1. */
  peek(): number {
    return this.#bytes[this.#offset] ?? -1;
  }

  /** A line without its end; undefined if it is not whole yet.
   * @throws {Malformed} if it is longer than any may be */
  line(): string | undefined {
    const end = this.#bytes.indexOf(10, this.#offset);
    if (end < 0 ? this.#bytes.length - this.#offset > lineBytesMax : end - this.#offset > lineBytesMax)
      throw new Malformed("too big inline request");
    if (end < 0) return undefined;
    const from = this.#offset;
    this.#offset = end + 1;
    return this.#bytes.toString("utf8", from, this.#bytes[end - 1] === 13 && end > from ? end - 1 : end);
  }

  /** A bulk of this length and the line end behind it; undefined if it is not whole yet. */
  bulk(length: number): Buffer | undefined {
    if (this.#bytes.length - this.#offset < length + 2) return undefined;
    const from = this.#offset;
    const end = from + length;
    if (this.#bytes[end] !== 13 || this.#bytes[end + 1] !== 10) throw new Malformed("expected CRLF after a bulk");
    this.#offset = end + 2;
    return this.#bytes.subarray(from, end);
  }
}

class Malformed extends Error {}

/** @returns the number of a length or count line; -1 stands for null */
function lengthOf(text: string, max: number, what: string): number {
  if (text === "-1") return -1;
  const length = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(length <= max)) throw new Malformed(`invalid ${what} length`);
  return length;
}

function attempt<Value>(read: () => Value | undefined): Next<Value> {
  try {
    const value = read();
    return value === undefined ? { state: "more" } : { state: "done", value };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { state: "invalid", why: error.message };
  }
}

/** Reads commands: arrays of bulks, or inline (words on a line, as somebody types them). */
export class CommandParser {
  readonly #unread = new Unread();
  #words: Buffer[] = [];
  #missing = 0;
  #commandBytes = 0;
  #bulkLength: number | undefined;

  push(chunk: Uint8Array): void {
    this.#unread.push(chunk);
  }

  /** The next command's words, at least one. Empty commands are skipped. */
  next(): Next<readonly Buffer[]> {
    return attempt(() => this.#read());
  }

  #read(): readonly Buffer[] | undefined {
    while (this.#missing === 0) {
      const isArray = this.#unread.peek() === 42;
      const line = this.#unread.line();
      if (line === undefined) return undefined;
      if (isArray) this.#missing = Math.max(0, lengthOf(line.slice(1), argumentsMax, "multibulk"));
      else {
        const words = inlineWords(line);
        if (words.length > 0) return words;
      }
    }
    while (this.#missing > 0) {
      const word = this.#readWord();
      if (!word) return undefined;
      this.#words.push(word);
      this.#missing--;
    }
    const words = this.#words;
    this.#words = [];
    this.#commandBytes = 0;
    return words;
  }

  #readWord(): Buffer | undefined {
    if (this.#bulkLength === undefined) {
      const first = this.#unread.peek();
      if (first === -1) return undefined;
      if (first !== 36) throw new Malformed(`expected '$', got '${printable(first)}'`);
      const line = this.#unread.line();
      if (line === undefined) return undefined;
      const length = lengthOf(line.slice(1), bulkBytesMax, "bulk");
      if (length < 0) throw new Malformed("invalid bulk length");
      this.#commandBytes += length;
      if (this.#commandBytes > commandBytesMax) throw new Malformed("too big command");
      this.#bulkLength = length;
    }
    const word = this.#unread.bulk(this.#bulkLength);
    if (word) this.#bulkLength = undefined;
    return word;
  }
}

function printable(byte: number): string {
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

function inlineWords(line: string): readonly Buffer[] {
  const words = line.split(/[ \t]+/).filter((word) => word !== "");
  if (words.length > argumentsMax) throw new Malformed("too many words");
  return words.map((word) => Buffer.from(word));
}

interface OpenArray {
  readonly items: Reply[];
  readonly length: number;
}

/** Reads replies, as a client gets them. */
export class ReplyParser {
  readonly #unread = new Unread();
  readonly #open: OpenArray[] = [];
  #bulkLength: number | undefined;

  push(chunk: Uint8Array): void {
    this.#unread.push(chunk);
  }

  next(): Next<Reply> {
    return attempt(() => this.#read());
  }

  #read(): Reply | undefined {
    for (;;) {
      let reply = this.#readOne();
      if (reply === undefined) return undefined;
      if (reply === "opened") continue;
      // A value that completes its array completes the array around that perhaps, too.
      for (let open = this.#open.at(-1); open; open = this.#open.at(-1)) {
        open.items.push(reply);
        if (open.items.length < open.length) break;
        this.#open.pop();
        reply = array(open.items);
      }
      if (this.#open.length === 0) return reply;
    }
  }

  #readOne(): Reply | "opened" | undefined {
    if (this.#bulkLength !== undefined) return this.#readBulk(this.#bulkLength);
    const line = this.#unread.line();
    if (line === undefined) return undefined;
    const text = line.slice(1);
    if (line[0] === "+") return { kind: "simple", text };
    if (line[0] === "-") return errorReply(text);
    if (line[0] === ":") return integer(integerOf(text));
    if (line[0] === "$") {
      this.#bulkLength = lengthOf(text, bulkBytesMax, "bulk");
      return this.#readBulk(this.#bulkLength);
    }
    if (line[0] !== "*") throw new Malformed("unknown type of reply");
    const length = lengthOf(text, argumentsMax, "array");
    if (length <= 0) return { kind: "array", items: length < 0 ? null : [] };
    if (this.#open.length >= depthMax) throw new Malformed("arrays nested too deep");
    this.#open.push({ items: [], length });
    return "opened";
  }

  #readBulk(length: number): Reply | undefined {
    const bytes = length < 0 ? null : this.#unread.bulk(length);
    if (bytes === undefined) return undefined;
    this.#bulkLength = undefined;
    return { kind: "bulk", bytes };
  }
}

function integerOf(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new Malformed("invalid integer");
  return Number(text);
}
