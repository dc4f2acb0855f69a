import dgram from "node:dgram";
import { formatSocketAddress, parseSocketAddress } from "#shared/core/cidr.ts";
import { assert } from "#shared/core/error.ts";
import { listenError } from "#shared/net/listen.ts";

/** A receiving UDP socket. */
export interface UdpListener {
  /** The real "address:port", also where port 0 was asked for. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws {UsageError} naming address and port, if it is taken or not ours */
export async function listenUdp(address: string, onDatagram: (datagram: Buffer) => void): Promise<UdpListener> {
  const target = parseSocketAddress(address);
  assert(target, `${address} was validated with the config`);
  const socket = dgram.createSocket(target.host.includes(":") ? "udp6" : "udp4");
  await new Promise<void>((resolve, reject) => {
    socket.once("error", (error) => reject(listenError(error, address, "udp")));
    socket.bind({ address: target.host, port: target.port, exclusive: true }, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => {}); // One datagram could not be read; the next one may.
  socket.on("message", onDatagram);
  return {
    address: formatSocketAddress(target.host, socket.address().port),
    close: () => new Promise((resolve) => socket.close(resolve)),
  };
}
