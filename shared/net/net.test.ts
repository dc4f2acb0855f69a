import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { ConnectionLimit, connectionsMaxOf } from "./connection-limit.ts";
import { dial } from "./dial.ts";
import { listenServer, listenTcp } from "./listen.ts";

const refuseAll = { onConnection: (socket: Socket) => void socket.destroy() };

describe("listen", () => {
  it("says the real port where port 0 was asked for", async () => {
    await using listener = await listenTcp({ address: "127.0.0.1:0", ...refuseAll });
    expect(parseSocketAddress(listener.address)?.port).toBeGreaterThan(0);
  });

  it("names address and port when the port is taken", async () => {
    await using listener = await listenTcp({ address: "127.0.0.1:0", ...refuseAll });
    await expect(listenTcp({ address: listener.address, ...refuseAll })).rejects.toMatchObject({
      name: "UsageError",
      message: `cannot listen on ${listener.address} (tcp): the port is already in use`,
    });
  });

  it("says that the machine does not have an address", async () => {
    await expect(listenTcp({ address: "192.0.2.1:0", ...refuseAll })).rejects.toThrow("does not have that address");
  });

  it("frees the port on close while its connections live on", async () => {
    const accepted = Promise.withResolvers<Socket>();
    const listener = await listenTcp({ address: "127.0.0.1:0", onConnection: accepted.resolve });
    const { host, port } = parseSocketAddress(listener.address)!;
    const client = await dial({ host, port, timeoutMs: 5_000 });
    const server = await accepted.promise;
    await listener.close();
    await using again = await listenTcp({ address: listener.address, ...refuseAll });
    expect(again.address).toBe(listener.address);
    server.write("still here");
    expect(String(await once(client, "data"))).toBe("still here");
    client.destroy();
    server.destroy();
  });
});

describe("a limit on connections", () => {
  it("holds over all servers together; one more is closed at once, and there is room again when one ends", async () => {
    const limit = new ConnectionLimit(2);
    const accepted: Socket[] = [];
    const dropped: unknown[] = [];
    const start = async () => {
      const server = createServer((socket) => void accepted.push(socket.on("error", () => {}).resume()));
      server.on("drop", (drop) => void dropped.push(drop));
      const listener = await listenServer(server, "127.0.0.1:0", limit);
      return { server, listener, ...parseSocketAddress(listener.address)!, timeoutMs: 5_000 };
    };
    const one = await start();
    const two = await start();
    const clients = await Promise.all([dial(one), dial(two)]);
    const refused = await dial(two);
    await new Promise((resolve) => refused.once("close", resolve).resume());
    expect([accepted.length, dropped.length]).toEqual([2, 1]);
    clients[0].destroy();
    await new Promise((resolve) => accepted[0]?.once("close", resolve));
    const connected = once(two.server, "connection");
    clients.push(await dial(two));
    await connected;
    for (const client of clients) client.destroy();
    await Promise.all([one.listener.close(), two.listener.close()]);
  });

  it.each([
    { limits: "Max open files            1024                 524288               files", max: 432 },
    { limits: "Max processes 7 7\nMax open files            1048576   1048576   files\n", max: 458_736 },
    { limits: "Max open files            20   20   files", max: 1 },
    { limits: "Max open files            unlimited   unlimited   files", max: Number.POSITIVE_INFINITY },
    { limits: "", max: Number.POSITIVE_INFINITY },
  ])("leaves two file descriptors to each and some to the process: $max", ({ limits, max }) => {
    expect(connectionsMaxOf(limits)).toBe(max);
  });
});

describe("dial", () => {
  it("binds the source address it is given", async () => {
    const accepted = Promise.withResolvers<Socket>();
    await using listener = await listenTcp({ address: "127.0.0.1:0", onConnection: accepted.resolve });
    const { host, port } = parseSocketAddress(listener.address)!;
    const client = await dial({ host, port, localAddress: "127.77.0.9", timeoutMs: 5_000 });
    expect((await accepted.promise).remoteAddress).toBe("127.77.0.9");
    client.destroy();
  });

  it("says CONNECT_FAILED, retryable, when nobody listens", async () => {
    const listener = await listenTcp({ address: "127.0.0.1:0", ...refuseAll });
    const { host, port } = parseSocketAddress(listener.address)!;
    await listener.close();
    await expect(dial({ host, port, timeoutMs: 5_000 })).rejects.toMatchObject({
      reason: "CONNECT_FAILED",
      origin: "upstream",
      retryable: true,
      message: `connect to ${listener.address} refused`,
    });
  });

  it("does not blame the other side for what this machine lacks", async () => {
    await using listener = await listenTcp({ address: "127.0.0.1:0", ...refuseAll });
    const { host, port } = parseSocketAddress(listener.address)!;
    const dialled = dial({ host, port, localAddress: "192.0.2.1", timeoutMs: 5_000 }); // EADDRNOTAVAIL
    await expect(dialled).rejects.toMatchObject({
      reason: "CONNECT_FAILED",
      origin: "internal",
      retryable: true,
      message: `connect to ${listener.address} from 192.0.2.1: EADDRNOTAVAIL`,
    });
  });

  it("stops at once when nobody waits any more", async () => {
    const waiting = new AbortController();
    const dialled = dial({ host: "192.0.2.1", port: 9, timeoutMs: 60_000, signal: waiting.signal });
    waiting.abort();
    await expect(dialled).rejects.toMatchObject({ reason: "CLIENT_GONE", retryable: false });
  });

  it("does not end the process when the other side resets before anybody listens for errors", async () => {
    const accepted = Promise.withResolvers<Socket>();
    await using listener = await listenTcp({ address: "127.0.0.1:0", onConnection: accepted.resolve });
    const { host, port } = parseSocketAddress(listener.address)!;
    const client = await dial({ host, port, timeoutMs: 5_000 });
    (await accepted.promise).resetAndDestroy();
    const closed = new Promise((resolve) => client.once("close", resolve)); // once() would listen for errors too
    client.resume();
    expect(await closed).toBe(true);
  });
});
