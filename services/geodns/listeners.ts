import { parseAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import type { AddressBytes } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import type { UdpListener, UdpPeer } from "#shared/net/listen-udp.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Transport } from "./answer.ts";
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
  /** @returns the reply, or undefined for silence. Must not throw. */
  readonly answer: (message: Buffer, client: AddressBytes, transport: Transport) => Buffer | undefined;
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
      onConnection: (socket) => options.connections.accept(socket),
    });
    try {
      const udp = await listenUdp({
        address: tcp.address,
        onDatagram: (message, from, listener) => answerDatagram(message, from, listener, options),
        onSendFailed: options.onSendFailed,
      });
      return { address: tcp.address, close: async () => void (await Promise.all([tcp.close(), udp.close()])) };
    } catch (error) {
      await tcp.close();
      if (tries === 1 || !(error instanceof UsageError)) throw error;
    }
  }
}

function answerDatagram(message: Buffer, from: UdpPeer, listener: UdpListener, { answer }: ListenerOptions): void {
  const client = parseAddress(from.address.replace(/%.*$/, "")); // link-local addresses come with their interface
  if (!client || from.port === 0) return; // Port 0 cannot be sent to: nobody honest asks from there.
  const reply = answer(message, client, "udp");
  if (reply) listener.send(reply, from);
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
