import { randomBytes } from "node:crypto";
import dgram from "node:dgram";
import net from "node:net";
import { parseSocketAddress } from "#shared/core/cidr.ts";

/** Connections of random bytes, until each is closed. */
export async function throwAtTcp(address: string): Promise<void> {
  for (const bytes of [1, 100, 20_000]) {
    const socket = net.connect(parseSocketAddress(address)!);
    socket.on("error", () => {});
    socket.resume();
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end(randomBytes(bytes));
    await closed;
  }
}

/** Datagrams of random bytes. */
export async function throwAtUdp(address: string): Promise<void> {
  const { host, port } = parseSocketAddress(address)!;
  const socket = dgram.createSocket("udp4");
  for (const bytes of [0, 1, 12, 100, 1_400])
    await new Promise((resolve) => socket.send(randomBytes(bytes), port, host, resolve));
  socket.close();
}
