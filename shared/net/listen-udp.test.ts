import dgram from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenUdp } from "./listen-udp.ts";

const ignore = { onDatagram: () => {} };

/** A client's socket on its own address. */
async function client(host: string) {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  await new Promise<void>((resolve) => socket.bind(0, host, resolve));
  return { socket, [Symbol.dispose]: () => void socket.close() };
}

describe("listening on UDP", () => {
  it.each(["127.0.0.1:0", "[::1]:0"])(
    "%s: says its real port, hands datagrams over and answers from there",
    async (at) => {
      await using listener = await listenUdp({
        address: at,
        onDatagram: (datagram, from, self) => self.send(Buffer.from(`${String(datagram)} back, cut`), 10, from),
      });
      const { host, port } = parseSocketAddress(listener.address)!;
      using asking = await client(host);
      asking.socket.send("there", port, host);
      const [reply, from] = (await once(asking.socket, "message")) as [Buffer, dgram.RemoteInfo];
      expect([String(reply), from.address, from.port]).toEqual(["there back", host, port]);
    },
  );

  it("names address and port when the port is taken, or the address is another machine's", async () => {
    await using listener = await listenUdp({ address: "127.0.0.1:0", ...ignore });
    await expect(listenUdp({ address: listener.address, ...ignore })).rejects.toMatchObject({
      name: "UsageError",
      message: `cannot listen on ${listener.address} (udp): the port is already in use`,
    });
    await expect(listenUdp({ address: "192.0.2.1:0", ...ignore })).rejects.toThrow("does not have that address");
  });

  it("frees the port on close, which may be asked for twice", async () => {
    const listener = await listenUdp({ address: "127.0.0.1:0", ...ignore });
    await Promise.all([listener.close(), listener.close()]);
    await using again = await listenUdp({ address: listener.address, ...ignore });
    expect(again.address).toBe(listener.address);
  });

  it("tells what could not be sent, and goes on", async () => {
    let failed = Promise.withResolvers<void>();
    const listener = await listenUdp({ address: "127.0.0.1:0", ...ignore, onSendFailed: () => failed.resolve() });
    const datagram = Buffer.of(1);
    listener.send(datagram, 1, { address: "127.0.0.1", port: 0 });
    await failed.promise;
    failed = Promise.withResolvers();
    listener.send(Buffer.alloc(70_000), 70_000, { address: "127.0.0.1", port: 9 }); // over what a datagram can hold
    await failed.promise;
    using asking = await client("127.0.0.1");
    listener.send(datagram, 1, asking.socket.address());
    expect((await once(asking.socket, "message"))[0]).toEqual(datagram);
    await listener.close();
    failed = Promise.withResolvers();
    listener.send(datagram, 1, asking.socket.address());
    await failed.promise;
  });
});
