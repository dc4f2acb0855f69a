import { parseSocketAddress } from "#shared/core/cidr.ts";
import { UsageError } from "#shared/core/error.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import { listenTcp } from "#shared/net/listen.ts";
import type { Sharing } from "#shared/net/listen.ts";
import type { ConnectionTable } from "./connections.ts";
import { Peer } from "./peer.ts";
import { serveStream } from "./stream.ts";
import type { AnswerMessage } from "./stream.ts";
import { udpBytesMax } from "./wire/reply.ts";

const anyPortTries = 16; // port 0: a port that is free on TCP may be taken on UDP

/** An address that is listened on. */
export interface Listener {
  /** The real "address:port". */
  readonly address: string;
  close(): Promise<void>;
}

export interface ListenerOptions {
  readonly connections: ConnectionTable;
  readonly answer: AnswerMessage;
  readonly sharing: Sharing | undefined;
  /** A datagram gets no reply: it could not be sent, or must not be. */
  readonly onDropped: () => void;
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
      onConnection: (socket) => {
        const connection = options.connections.add(socket);
        if (connection) serveStream(socket, connection, "tcp", options.answer);
      },
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

/** Ports of services that answer whatever comes (echo, daytime, qotd, chargen, time): a query that is forged to come from one
 * would set two servers talking for ever. Port 0 cannot be sent to. No honest client asks from any of them. */
const reflectingPorts: ReadonlySet<number> = new Set([0, 7, 13, 17, 19, 37]);
const reflectingPortMax = 37;

function listenDatagrams(address: string, { answer, onDropped, sharing }: ListenerOptions) {
  const peer = new Peer();
  let out = Buffer.allocUnsafeSlow(udpBytesMax);
  return listenUdp({
    address,
    sharing,
    onDatagram: (message, from, listener) => {
      if (!peer.take(from.address)) return;
      if (from.port <= reflectingPortMax && reflectingPorts.has(from.port)) return onDropped();
      const length = answer(message, peer, "udp", out);
      // The reply waits in the kernel's queue and must not be written over.
      if (length > 0 && !listener.send(out, length, from)) out = Buffer.allocUnsafeSlow(udpBytesMax);
    },
    onSendFailed: onDropped,
  });
}

/** Opens a listener for each key, or none. */
export async function listenAll(
  keys: readonly string[],
  open: (key: string) => Promise<Listener>,
): Promise<Map<string, Listener>> {
  const listeners = new Map<string, Listener>();
  try {
    for (const key of keys) listeners.set(key, await open(key));
  } catch (error) {
    await Promise.all([...listeners.values()].map((listener) => listener.close()));
    throw error;
  }
  return listeners;
}
