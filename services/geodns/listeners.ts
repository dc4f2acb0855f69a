import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Sharing } from "#shared/net/listen.ts";
import type { Client, Transport } from "./answer.ts";
import { Peer } from "./peer.ts";
import { udpBytesMax } from "./wire/reply.ts";
import type { TcpConnections } from "./listener-tcp.ts";

const anyPortTries = 16; // port 0: a port that is free on TCP may be taken on UDP

/** One address, UDP and TCP. */
export interface Listener {
  /** The real "address:port", the same for both. */
  readonly address: string;
  close(): Promise<void>;
}

export interface ListenerOptions {
  readonly connections: TcpConnections;
  /** @param out takes the reply from 0; as long as the largest message
   * @returns bytes of the reply; 0 for silence. Must not throw. */
  readonly answer: (message: Buffer, client: Client, transport: Transport, out: Uint8Array) => number;
  readonly sharing: Sharing | undefined;
  /** A reply over UDP could not be sent. */
  readonly onSendFailed: () => void;
}

/** Listens on UDP and TCP of one address, or on neither.
 * @throws {UsageError} naming address, port and protocol, if it is taken or not ours */
export async function listen(address: string, options: ListenerOptions): Promise<Listener> {
  const anyPort = parseSocketAddress(address)?.port === 0;
  for (let tries = anyPort ? anyPortTries : 1; ; tries--) {
    const tcp = await listenTcp({
      address,
      allowHalfOpen: true,
      sharing: options.sharing,
      onConnection: (socket) => options.connections.accept(socket),
    });
    try {
      const udp = await listenDatagrams(tcp.address, options);
      return { address: tcp.address, close: async () => void (await Promise.all([tcp.close(), udp.close()])) };
    } catch (error) {
      await tcp.close();
      if (tries === 1 || !(error instanceof UsageError)) throw error;
    }
  }
}

function listenDatagrams(address: string, { answer, onSendFailed, sharing }: ListenerOptions) {
  const peer = new Peer();
  let out = Buffer.allocUnsafeSlow(udpBytesMax);
  return listenUdp({
    address,
    sharing,
    onDatagram: (message, from, listener) => {
      if (!peer.take(from.address) || from.port === 0) return; // Port 0 cannot be sent to: nobody honest asks from there.
      const length = answer(message, peer, "udp", out);
      // The reply waits in the kernel's queue and must not be written over.
      if (length > 0 && !listener.send(out, length, from)) out = Buffer.allocUnsafeSlow(udpBytesMax);
    },
    onSendFailed,
  });
}

/** Listens on all, or on none. */
export async function listenAll(
  addresses: readonly string[],
  options: ListenerOptions,
): Promise<Map<string, Listener>> {
  const listeners = new Map<string, Listener>();
  try {
    for (const address of addresses) listeners.set(address, await listen(address, options));
  } catch (error) {
    await Promise.all([...listeners.values()].map((listener) => listener.close()));
    throw error;
  }
  return listeners;
}
