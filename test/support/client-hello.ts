import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

/** The ClientHello that a real client sends. */
export async function helloOf(options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = tls.connect({ host: "127.0.0.1", port: (server.address() as net.AddressInfo).port, ...options });
  client.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [net.Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

/** The same handshake bytes in records of so many bytes. */
export function inRecords(hello: Buffer, bytes: number): Buffer {
  const records: Buffer[] = [];
  for (let at = 5; at < hello.length; at += bytes) {
    const part = hello.subarray(at, at + bytes);
    records.push(Buffer.concat([Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part]));
  }
  return Buffer.concat(records);
}

/** Bytes with their length in front, big-endian in `size` bytes. */
function counted(size: 1 | 2 | 3, bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(size);
  length.writeUIntBE(bytes.length, 0, size);
  return Buffer.concat([length, bytes]);
}

export interface HelloParts {
  readonly sessionId: Uint8Array;
  readonly ciphers: Uint8Array;
  /** Those before and behind the server name. */
  readonly before: readonly { readonly type: number; readonly body: Uint8Array }[];
  readonly after: readonly { readonly type: number; readonly body: Uint8Array }[];
  readonly name: string | undefined;
}

/** A ClientHello written out, in one record. @see RFC 8446 §4.1.2, RFC 6066 §3 */
export function writeHello({ sessionId, ciphers, before, after, name }: HelloParts): Buffer {
  const extension = ({ type, body }: { readonly type: number; readonly body: Uint8Array }) =>
    Buffer.concat([Buffer.of(type >> 8, type & 0xff), counted(2, body)]);
  const named =
    name === undefined
      ? []
      : [{ type: 0, body: counted(2, Buffer.concat([Buffer.of(0), counted(2, Buffer.from(name, "latin1"))])) }];
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    counted(1, sessionId),
    counted(2, ciphers),
    counted(1, Buffer.of(0)),
    counted(2, Buffer.concat([...before, ...named, ...after].map(extension))),
  ]);
  return Buffer.concat([Buffer.of(22, 3, 1), counted(2, Buffer.concat([Buffer.of(1), counted(3, body)]))]);
}
