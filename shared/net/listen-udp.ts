import dgram from "node:dgram";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { trafficCuts } from "./cuts.ts";
import { listenError } from "./listen.ts";
import type { Sharing } from "./listen.ts";

/** Whom a datagram came from, and where an answer goes. */
export interface UdpPeer {
  readonly address: string;
  readonly port: number;
}

/** A UDP socket that is bound. */
export interface UdpListener extends AsyncDisposable {
  /** The real "address:port", also where port 0 was asked for. */
  readonly address: string;
  /** Sends the first `length` bytes from that address. Never throws: what cannot be sent goes to `onSendFailed`.
   * @returns whether the bytes may be written over; not while the kernel's buffer is full and they have to wait */
  send(datagram: Uint8Array, length: number, to: UdpPeer): boolean;
  /** Once or more often. */
  close(): Promise<void>;
}

export interface UdpOptions {
  /** "address:port". Answers leave from this address, so name each address rather than 0.0.0.0. */
  readonly address: string;
  /** The kernel spreads the datagrams by their source. */
  readonly sharing?: Sharing | undefined;
  /** Must not throw. */
  onDatagram(datagram: Buffer, from: UdpPeer, listener: UdpListener): void;
  /** A datagram could not be sent: nobody can be reached there, or the kernel's buffer is full. */
  onSendFailed?(): void;
}

// A burst of some thousand datagrams while the loop is busy, and their answers; the kernel may cut it.
const bufferBytes = 4_194_304;

/** Listens on UDP, one socket an address.
 * @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenUdp(options: UdpOptions): Promise<UdpListener> {
  const target = parseSocketAddress(options.address);
  assert(target, `${options.address} was validated with the config`);
  if (options.sharing === "first") {
    const probe = await bind(target, options.address, false);
    await new Promise<void>((resolve) => void probe.close(() => resolve()));
  }
  const socket = await bind(target, options.address, options.sharing !== undefined);
  const sendFailed = () => options.onSendFailed?.();
  const onSent = (error: Error | null) => {
    if (error) sendFailed();
  };
  let closed: Promise<void> | undefined;
  const close = () => (closed ??= new Promise<void>((resolve) => void socket.close(() => resolve())));
  const listener: UdpListener = {
    address: formatSocketAddress(target.host, socket.address().port),
    send: (datagram, length, to) => {
      if (trafficCuts.drops(to.address)) return true; // gone, as far as the socket knows
      try {
        socket.send(datagram, 0, length, to.port, to.address, onSent);
        return socket.getSendQueueCount() === 0;
      } catch {
        sendFailed(); // closed in the meantime, or to port 0
        return true;
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
  socket.on("error", sendFailed); // an ICMP error for what was sent; the socket goes on
  socket.on("message", (datagram, from) => {
    if (!trafficCuts.drops(from.address)) options.onDatagram(datagram, from, listener);
  });
  return listener;
}

async function bind(
  { host, port }: { readonly host: string; readonly port: number },
  address: string,
  reusePort: boolean,
): Promise<dgram.Socket> {
  const family = host.includes(":") ? 6 : 4;
  const socket = dgram.createSocket({
    type: family === 6 ? "udp6" : "udp4",
    ipv6Only: family === 6,
    recvBufferSize: bufferBytes,
    sendBufferSize: bufferBytes,
    reusePort,
    // Answered at once: addresses need no lookup, and the default would put a turn of the loop before every datagram.
    lookup: (name, _options, callback) => callback(null, name, family),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => {
      socket.close();
      reject(listenError(error, address, "udp"));
    });
    socket.bind({ address: host, port, exclusive: true }, resolve);
  });
  socket.removeAllListeners("error");
  return socket;
}
