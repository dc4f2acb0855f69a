import dgram from "node:dgram";
import { formatSocketAddress, parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { listenError } from "#shared/net/listen.ts";

export interface UdpListener {
  /** The real "address:port", also where port 0 was asked for. */
  readonly address: string;
  /** Once or more often. */
  close(): Promise<void>;
}

export interface UdpOptions {
  /** "address:port". Replies leave from this address, so name each address rather than 0.0.0.0. */
  readonly address: string;
  /** @returns the reply, or undefined for silence. Must not throw. */
  readonly answer: (message: Buffer, client: AddressBytes) => Buffer | undefined;
  /** A reply could not be sent: the client is unreachable, or the kernel's buffer is full. */
  readonly onSendFailed: () => void;
}

const receiveBufferBytes = 1_048_576; // a burst of some thousand queries while the loop is busy; the kernel may cut it

/** Listens on UDP, one socket an address.
 * @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenUdp(options: UdpOptions): Promise<UdpListener> {
  const target = parseSocketAddress(options.address);
  assert(target, `${options.address} was validated with the config`);
  const family = target.host.includes(":") ? 6 : 4;
  const socket = dgram.createSocket({
    type: family === 6 ? "udp6" : "udp4",
    ipv6Only: family === 6,
    recvBufferSize: receiveBufferBytes,
    // Answered at once: addresses need no lookup, and the default would put a turn of the loop before every reply.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(listenError(error, options.address, "udp"));
    });
    socket.bind(target.port, target.host, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => options.onSendFailed()); // an ICMP error for a reply; the socket goes on
  socket.on("message", (message, from) => receive(socket, message, from, options));
  let closed: Promise<void> | undefined;
  const close = () =>
    (closed ??= new Promise<void>((resolve) => {
      socket.close(() => resolve());
    }));
  return { address: formatSocketAddress(target.host, socket.address().port), close };
}

function receive(socket: dgram.Socket, message: Buffer, from: dgram.RemoteInfo, options: UdpOptions): void {
  const client = parseAddress(from.address.replace(/%.*$/, "")); // link-local addresses come with their interface
  // Port 0 cannot be sent to: node would throw. Nobody honest asks from there.
  if (!client || from.port === 0) return;
  const reply = options.answer(message, client);
  if (!reply) return;
  try {
    socket.send(reply, from.port, from.address, (error) => {
      if (error) options.onSendFailed();
    });
  } catch {
    options.onSendFailed(); // closed in the meantime
  }
}
