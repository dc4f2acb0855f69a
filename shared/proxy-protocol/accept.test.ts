import { once } from "node:events";
import net from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, describe, expect, it } from "vitest";
import { acceptProxyHeader, tlvUniqueId, writeProxyHeader } from "./proxy-protocol.ts";
import type { ProxyHeader } from "./proxy-protocol.ts";

const header: ProxyHeader = {
  version: "v2",
  command: "PROXY",
  source: { host: "127.0.0.7", port: 7 },
  destination: { host: "127.0.0.8", port: 8 },
  tlvs: [{ type: tlvUniqueId, value: Uint8Array.of(1, 2, 3) }],
};
const long = 10_000; // milliseconds; never reached

const opened: net.Socket[] = [];
afterEach(() => opened.splice(0).forEach((socket) => socket.destroy()));

/** Both ends of one connection over loopback. */
async function pair(options: net.ServerOpts): Promise<{ client: net.Socket; server: net.Socket }> {
  const listener = net.createServer(options).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = net.connect({ port: (listener.address() as net.AddressInfo).port, host: "127.0.0.1", noDelay: true });
  const [server] = (await once(listener, "connection")) as [net.Socket];
  listener.close();
  opened.push(client, server);
  for (const socket of [client, server]) socket.on("error", () => {});
  return { client, server };
}

function listenersOf(socket: net.Socket): Record<string, number> {
  return Object.fromEntries(["data", "end", "close", "error"].map((name) => [name, socket.listenerCount(name)]));
}

describe.each([
  { name: "a flowing socket", options: {} },
  { name: "a paused socket", options: { pauseOnConnect: true } },
  { name: "a half-open socket", options: { allowHalfOpen: true, pauseOnConnect: true } },
])("the header of $name", ({ options }) => {
  it("is taken off, and no byte behind it is lost", async () => {
    const { client, server } = await pair(options);
    const before = listenersOf(server);
    const body = Buffer.alloc(300_000, "body");
    client.end(Buffer.concat([writeProxyHeader(header), body]));
    expect(await acceptProxyHeader(server, "v2", long)).toEqual(header);
    expect(server.isPaused()).toBe(true);
    expect(listenersOf(server)).toEqual(before);
    expect((await buffer(server)).equals(body)).toBe(true);
  });

  it("may come byte by byte, with an end behind it", async () => {
    const { client, server } = await pair(options);
    const accepted = acceptProxyHeader(server, "v2", long);
    for (const byte of writeProxyHeader(header)) await new Promise((done) => client.write(Uint8Array.of(byte), done));
    client.end();
    expect(await accepted).toEqual(header);
    expect(await buffer(server)).toHaveLength(0);
  });
});

describe("a header is refused", () => {
  const refused = expect.objectContaining({ reason: "PROXY_HEADER_INVALID", origin: "downstream" });

  it("when other bytes come", async () => {
    const { client, server } = await pair({});
    const before = listenersOf(server);
    client.write("GET / HTTP/1.1\r\n\r\n");
    await expect(acceptProxyHeader(server, "v2", long)).rejects.toEqual(refused);
    expect(listenersOf(server)).toEqual(before);
  });

  it("when the client ends, or resets, before it is whole", async () => {
    for (const leave of ["end", "resetAndDestroy"] as const) {
      const { client, server } = await pair({ allowHalfOpen: true });
      const accepted = acceptProxyHeader(server, "v1", long);
      client.write("PROXY ", () => client[leave]());
      await expect(accepted).rejects.toEqual(refused);
    }
  });

  it("when it is not whole in time", async () => {
    const { client, server } = await pair({});
    client.write("PROXY ");
    await expect(acceptProxyHeader(server, "v1", 1)).rejects.toEqual(refused);
  });

  it("when the connection is closed already", async () => {
    const { server } = await pair({});
    server.destroy();
    await expect(acceptProxyHeader(server, "v1", long)).rejects.toEqual(refused);
  });
});
