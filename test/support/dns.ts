import dgram from "node:dgram";
import net from "node:net";
import tls from "node:tls";
import { parseSocketAddress } from "#shared/core/cidr.ts";

/** Messages written and read by hand, so that the server's own code is not its judge. */

export interface QueryOptions {
  readonly id?: number;
  readonly name?: string;
  readonly type?: number;
  readonly class?: number;
  /** Bits 16..31 of the header; default: none but RD where asked for. */
  readonly flags?: number;
  readonly questions?: number;
  /** Default: no OPT. */
  readonly edns?: EdnsOptions;
  /** Appended as it is. */
  readonly trailer?: Uint8Array;
}

export interface EdnsOptions {
  readonly version?: number;
  readonly udpBytes?: number;
  readonly flags?: number;
  readonly options?: readonly (readonly [code: number, value: Uint8Array])[];
}

export function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

export function nameBytes(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, "latin1")]));
  return Buffer.concat([...parts, Buffer.of(0)]);
}

export function optBytes({ version = 0, udpBytes = 1_232, flags = 0, options = [] }: EdnsOptions = {}): Buffer {
  const data = Buffer.concat(options.flatMap(([code, value]) => [uint16(code), uint16(value.length), value]));
  return Buffer.concat([
    Buffer.of(0),
    uint16(41),
    uint16(udpBytes),
    Buffer.of(0, version),
    uint16(flags),
    uint16(data.length),
    data,
  ]);
}

export function queryBytes(options: QueryOptions = {}): Buffer {
  const { id = 0x1234, name = "www.stream.test", type = 1, questions = 1, edns, trailer = Buffer.alloc(0) } = options;
  const header = [
    uint16(id),
    uint16(options.flags ?? 0),
    uint16(questions),
    uint16(0),
    uint16(0),
    uint16(edns ? 1 : 0),
  ];
  const question = Buffer.concat([nameBytes(name), uint16(type), uint16(options.class ?? 1)]);
  const body = Array<Buffer>(questions).fill(question);
  return Buffer.concat([...header, ...body, edns ? optBytes(edns) : Buffer.alloc(0), trailer]);
}

/** An ECS option: family, source prefix, scope, address bytes as given. */
export function ecs(family: number, source: number, address: readonly number[], scope = 0) {
  return [8, Buffer.of(0, family, source, scope, ...address)] as const;
}

export interface ReadRecord {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
  /** The same with its names written out. */
  readonly plain: Buffer;
  /** An address or name, for the types that hold one. */
  readonly text: string;
}

export interface ReadReply {
  readonly id: number;
  readonly opcode: number;
  readonly rcode: number;
  readonly qr: boolean;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  /** Z, AD and CD. */
  readonly reserved: number;
  readonly question: Buffer;
  readonly answers: readonly ReadRecord[];
  readonly authority: readonly ReadRecord[];
  /** With the OPT. */
  readonly additional: readonly ReadRecord[];
  readonly opt: { udpBytes: number; version: number; flags: number; options: ReadonlyMap<number, Buffer> } | undefined;
  readonly bytes: number;
}

/** Reads a reply. @throws if it is not well formed to the last byte */
export function readReply(message: Buffer): ReadReply {
  const flags = message.readUInt16BE(2);
  let at = 12;
  if (message.readUInt16BE(4) > 0) at = readNameAt(message, at).end + 4;
  const question = message.subarray(12, at);
  const readSection = (count: number) =>
    Array.from({ length: count }, () => {
      const { record, end } = readRecordAt(message, at);
      at = end;
      return record;
    });
  const answers = readSection(message.readUInt16BE(6));
  const authority = readSection(message.readUInt16BE(8));
  const additional = readSection(message.readUInt16BE(10));
  if (at !== message.length) throw new Error(`${message.length - at} bytes behind the last record`);
  const opt = additional.find(({ type }) => type === 41);
  return {
    id: message.readUInt16BE(0),
    opcode: (flags >> 11) & 0x0f,
    rcode: (flags & 0x0f) | ((opt ? opt.ttl >>> 24 : 0) << 4),
    qr: (flags & 0x8000) !== 0,
    aa: (flags & 0x0400) !== 0,
    tc: (flags & 0x0200) !== 0,
    rd: (flags & 0x0100) !== 0,
    ra: (flags & 0x0080) !== 0,
    reserved: flags & 0x0070,
    question,
    answers,
    authority,
    additional,
    opt: opt && {
      udpBytes: opt.class,
      version: (opt.ttl >> 16) & 0xff,
      flags: opt.ttl & 0xffff,
      options: readOptions(opt.data),
    },
    bytes: message.length,
  };
}

function readOptions(data: Buffer): Map<number, Buffer> {
  const options = new Map<number, Buffer>();
  for (let at = 0; at < data.length; at += 4 + data.readUInt16BE(at + 2))
    options.set(data.readUInt16BE(at), data.subarray(at + 4, at + 4 + data.readUInt16BE(at + 2)));
  return options;
}

function readRecordAt(message: Buffer, offset: number): { record: ReadRecord; end: number } {
  const owner = readNameAt(message, offset);
  const fixed = owner.end;
  const type = message.readUInt16BE(fixed);
  const end = fixed + 10 + message.readUInt16BE(fixed + 8);
  if (end > message.length) throw new Error("record is cut");
  const data = message.subarray(fixed + 10, end);
  const text =
    type === 1
      ? data.join(".")
      : type === 28
        ? data.toString("hex")
        : type === 2 || type === 5
          ? readNameAt(message, fixed + 10).name
          : data.toString("latin1");
  const record = {
    name: owner.name,
    type,
    class: message.readUInt16BE(fixed + 2),
    ttl: message.readUInt32BE(fixed + 4),
    data,
    plain: withoutPointers(message, type, fixed + 10, end),
    text,
  };
  return { record, end };
}

/** Names that may be compressed, behind so many bytes (RFC 3597 §4). */
const namesIn: Readonly<Record<number, { before: number; names: number }>> = {
  2: { before: 0, names: 1 },
  5: { before: 0, names: 1 },
  6: { before: 0, names: 2 },
  12: { before: 0, names: 1 },
  15: { before: 2, names: 1 },
};

function withoutPointers(message: Buffer, type: number, start: number, end: number): Buffer {
  const { before, names } = namesIn[type] ?? { before: 0, names: 0 };
  const parts = [message.subarray(start, start + before)];
  let at = start + before;
  for (let i = 0; i < names; i++) {
    const { name, end: nameEnd } = readNameAt(message, at);
    parts.push(nameBytes(name));
    at = nameEnd;
  }
  return Buffer.concat([...parts, message.subarray(at, end)]);
}

function readNameAt(message: Buffer, offset: number): { name: string; end: number } {
  const labels: string[] = [];
  let end = -1;
  for (let at = offset, hops = 0; ;) {
    const length = message.readUInt8(at);
    if (length >= 0xc0) {
      if (++hops > 64) throw new Error("pointers loop");
      if (end < 0) end = at + 2;
      at = message.readUInt16BE(at) & 0x3fff;
      continue;
    }
    if (length === 0) return { name: labels.join("."), end: end < 0 ? at + 1 : end };
    labels.push(message.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** A client with its own address that asks over UDP, one query at a time. */
export class UdpClient {
  readonly #socket: dgram.Socket;
  readonly #server: { host: string; port: number };
  readonly #bound: Promise<void>;

  constructor(server: string, localAddress = "127.0.0.1") {
    this.#server = parseSocketAddress(server)!;
    this.#socket = dgram.createSocket(localAddress.includes(":") ? "udp6" : "udp4");
    this.#bound = new Promise((resolve) => this.#socket.bind(0, localAddress, () => resolve()));
  }

  async send(message: Uint8Array): Promise<void> {
    await this.#bound;
    this.#socket.send(message, this.#server.port, this.#server.host);
  }

  /** The next message that comes, and where it came from. */
  async ask(message: Uint8Array): Promise<ReadReply & { readonly from: string }> {
    const got = new Promise<ReadReply & { from: string }>((resolve) =>
      this.#socket.once("message", (reply, from) =>
        resolve({ ...readReply(reply), from: `${from.address}:${from.port}` }),
      ),
    );
    await this.send(message);
    return got;
  }

  /** The same, whatever comes. */
  async askRaw(message: Uint8Array): Promise<Buffer> {
    const got = new Promise<Buffer>((resolve) => this.#socket.once("message", resolve));
    await this.send(message);
    return got;
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** Messages of a TCP stream, as they come. */
export class TcpClient {
  readonly socket: net.Socket;
  /** Resolves when the server has closed its side. */
  readonly closed: Promise<void>;
  readonly #replies: ReadReply[] = [];
  #unread: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};

  /** @param secure speak TLS, with these options */
  constructor(server: string, localAddress = "127.0.0.1", secure?: tls.ConnectionOptions) {
    const { host, port } = parseSocketAddress(server)!;
    const target = { host, port, localAddress, allowHalfOpen: true };
    this.socket = secure ? tls.connect({ ...target, rejectUnauthorized: false, ...secure }) : net.connect(target);
    this.socket.on("error", () => {}); // the tests look at `closed`
    this.socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.closed = new Promise((resolve) => {
      this.socket.once("end", () => resolve());
      this.socket.once("close", () => resolve());
    });
  }

  /** Puts the length before a message. */
  static frame(message: Uint8Array): Buffer {
    return Buffer.concat([uint16(message.length), message]);
  }

  /** The next `count` replies. */
  async replies(count: number): Promise<readonly ReadReply[]> {
    while (this.#replies.length < count)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#replies.splice(0, count);
  }

  async ask(message: Uint8Array): Promise<ReadReply> {
    this.socket.write(TcpClient.frame(message));
    return (await this.replies(1))[0]!;
  }

  #read(chunk: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, chunk]);
    while (this.#unread.length >= 2 && this.#unread.length >= 2 + this.#unread.readUInt16BE(0)) {
      const end = 2 + this.#unread.readUInt16BE(0);
      this.#replies.push(readReply(this.#unread.subarray(2, end)));
      this.#unread = this.#unread.subarray(end);
    }
    this.#wake();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
