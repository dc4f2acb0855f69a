import { once } from "node:events";
import net from "node:net";

/** One frame. @see RFC 9113 §4.1 */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, more: 9 } as const;
export const flag = { end: 1, ack: 1, endHeaders: 4 } as const;

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const headBytes = 9;

/** A client that writes whatever frames it is told. */
export class FrameClient implements Disposable {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #isOver = false;
  #wake: () => void = () => {};

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("close", () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Preface and SETTINGS are sent. */
  static async connect(address: string): Promise<FrameClient> {
    const [host, port] = address.split(":");
    const socket = net.connect({ host, port: Number(port), noDelay: true });
    await once(socket, "connect");
    const client = new FrameClient(socket);
    socket.write(preface);
    client.send(type.settings, 0, 0);
    return client;
  }

  send(kind: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void {
    this.socket.write(frameOf(kind, flags, stream, payload));
  }

  /** A request of these lines, pseudo-header fields first. */
  request(stream: number, lines: readonly string[], flags: number = flag.end): void {
    this.send(type.headers, flags | flag.endHeaders, stream, headerBlock(lines));
  }

  /** The first frame, of those that have come and come, for which it holds; undefined if the connection ends without. */
  async until(holds: (frame: Frame) => boolean): Promise<Frame | undefined> {
    for (;;) {
      const found = this.frames.find(holds);
      if (found || this.#isOver) return found;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      if (this.#buffer.length < headBytes) break;
      const size = headBytes + this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < size) break;
      const [kind = 0, flags = 0] = this.#buffer.subarray(3, 5);
      const stream = this.#buffer.readUInt32BE(5);
      this.frames.push({ type: kind, flags, stream, payload: this.#buffer.subarray(headBytes, size) });
      this.#buffer = this.#buffer.subarray(size);
    }
    this.#wake();
  }
}

export function frameOf(kind: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Lines as literals without indexing and without Huffman codes. @see RFC 7541 §6.2.2 */
export function headerBlock(lines: readonly string[]): Buffer {
  const parts: Buffer[] = [];
  for (const [i, text] of lines.entries()) {
    const bytes = Buffer.from(text, "latin1");
    if (i % 2 === 0) parts.push(Buffer.of(0));
    parts.push(lengthOf(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

/** An integer with a prefix of seven bits. @see RFC 7541 §5.1 */
function lengthOf(length: number): Buffer {
  if (length < 127) return Buffer.of(length);
  const bytes = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** The error code of a RST_STREAM or a GOAWAY. */
export function codeOf({ type: kind, payload }: Frame): number {
  return payload.readUInt32BE(kind === type.goaway ? 4 : 0);
}
