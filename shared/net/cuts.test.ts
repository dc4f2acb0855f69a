import dgram from "node:dgram";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { parseCidr, parseSocketAddress } from "#shared/core/cidr.ts";
import { Cuts, trafficCuts } from "./cuts.ts";
import { dial } from "./dial.ts";
import { listenUdp } from "./listen-udp.ts";
import { listenServer } from "./listen.ts";

const networks = (texts: readonly string[]) => texts.map((text) => parseCidr(text)!);
const from = (...texts: string[]) => ({ from: networks(texts), except: [] });

describe("a cut", () => {
  it.each([
    { of: ["0.0.0.0/0"], except: [], peer: "127.0.0.1", drops: true },
    { of: ["0.0.0.0/0"], except: ["127.11.0.0/16"], peer: "127.11.3.4", drops: false },
    { of: ["0.0.0.0/0"], except: ["127.11.0.0/16"], peer: "127.12.3.4", drops: true },
    { of: ["127.11.0.1"], except: [], peer: "127.11.0.1", drops: true },
    { of: ["127.11.0.1"], except: [], peer: "::ffff:127.11.0.1", drops: true },
    { of: ["127.11.0.1"], except: [], peer: "127.11.0.2", drops: false },
    { of: ["0.0.0.0/0"], except: [], peer: "::1", drops: false },
    { of: ["0.0.0.0/0", "::/0"], except: [], peer: "localhost", drops: false },
  ])("from $of except $except drops packets of $peer: $drops", ({ of, except, peer, drops }) => {
    const cuts = new Cuts();
    cuts.set("one", { from: networks(of), except: networks(except) });
    expect(cuts.drops(peer)).toBe(drops);
  });

  it("adds to others, and ends alone", () => {
    const cuts = new Cuts();
    cuts.set("one", from("127.0.0.1"));
    cuts.set("two", from("127.0.0.0/8"));
    expect(cuts.names).toEqual(["one", "two"]);
    expect(cuts.remove("two")).toBe(true);
    expect([cuts.drops("127.0.0.1"), cuts.drops("127.0.0.2")]).toEqual([true, false]);
    expect(cuts.remove("two")).toBe(false);
  });
});

/** A server whose connections suffer its own cuts; it echoes unless `answer` does something else. */
async function serverWith(cuts: Cuts, answer: (socket: net.Socket) => void = (socket) => void socket.pipe(socket)) {
  const accepted: net.Socket[] = [];
  const server = net.createServer((socket) => {
    accepted.push(socket.on("error", () => {}));
    answer(socket);
  });
  const listener = await listenServer(server, "127.0.0.1:0", undefined, undefined, cuts);
  return {
    accepted,
    ...parseSocketAddress(listener.address)!,
    async [Symbol.asyncDispose]() {
      for (const socket of accepted) socket.destroy();
      await listener.close();
    },
  };
}

/** A client at an address of its own, and all that it has heard. */
async function clientAt(localAddress: string, { host, port }: { readonly host: string; readonly port: number }) {
  const socket = net.connect({ host, port, localAddress, allowHalfOpen: true });
  let heard = "";
  socket.on("error", () => {});
  socket.on("data", (bytes: Buffer) => (heard += String(bytes)));
  await once(socket, "connect");
  return {
    socket,
    heard: () => heard,
    /** Resolves once it has heard this. */
    async hears(text: string) {
      while (!heard.includes(text)) await once(socket, "data");
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}
type TestClient = Awaited<ReturnType<typeof clientAt>>;

/** Whatever was on its way before has come: loopback keeps the order of one server's loop. */
async function roundTrip({ socket, hears }: TestClient, text: string): Promise<void> {
  socket.write(text);
  await hears(text);
}

describe("a connection from a peer that is cut off", () => {
  it("goes silent, others do not; what waited comes in order once it is healed", async () => {
    const cuts = new Cuts();
    await using server = await serverWith(cuts);
    using silent = await clientAt("127.0.0.2", server);
    using other = await clientAt("127.0.0.3", server);
    await roundTrip(silent, "before ");
    cuts.set("drill", from("127.0.0.2"));
    silent.socket.write("one ");
    await roundTrip(other, "first");
    silent.socket.write("two");
    await roundTrip(other, "second");
    expect(silent.heard()).toBe("before ");
    cuts.remove("drill");
    await silent.hears("two");
    expect(silent.heard()).toBe("before one two");
    await roundTrip(silent, "after");
  });

  it("hangs where it is new, and is served once it is healed", async () => {
    const cuts = new Cuts();
    await using server = await serverWith(cuts, (socket) => void socket.end("welcome"));
    cuts.set("drill", from("127.0.0.2"));
    using silent = await clientAt("127.0.0.2", server);
    using other = await clientAt("127.0.0.3", server);
    await once(other.socket, "end");
    expect([silent.heard(), silent.socket.readableEnded]).toEqual(["", false]);
    cuts.remove("drill");
    await once(silent.socket, "end");
    expect(silent.heard()).toBe("welcome");
  });

  for (const how of ["destroy", "resetAndDestroy"] as const)
    it(`does not hear of a ${how} before it is healed, while its owner does`, async () => {
      const cuts = new Cuts();
      await using server = await serverWith(cuts);
      using silent = await clientAt("127.0.0.2", server);
      using other = await clientAt("127.0.0.3", server);
      await roundTrip(silent, "before");
      await roundTrip(other, "before");
      cuts.set("drill", from("127.0.0.2"));
      const socket = server.accepted.find(({ remoteAddress }) => remoteAddress === "127.0.0.2")!;
      const written = new Promise((resolve) => socket.write("lost", resolve));
      socket[how]();
      await once(socket, "close");
      expect(await written).toBeInstanceOf(Error);
      await roundTrip(other, "after");
      expect([silent.heard(), silent.socket.readableEnded, silent.socket.destroyed]).toEqual(["before", false, false]);
      const closed = once(silent.socket, "close");
      silent.socket.end();
      cuts.remove("drill");
      await closed;
      expect(silent.heard()).toBe("before");
    });

  it("is let go where too many of them wait to be told of their end", async () => {
    const cuts = new Cuts(1);
    await using server = await serverWith(cuts);
    using first = await clientAt("127.0.0.2", server);
    await roundTrip(first, "x");
    using second = await clientAt("127.0.0.2", server);
    await roundTrip(second, "x");
    cuts.set("drill", from("127.0.0.2"));
    const ended = once(first.socket, "end");
    for (const socket of server.accepted) socket.destroy();
    await ended;
    expect(second.socket.readableEnded).toBe(false);
  });
});

describe("node:http behind a cut", () => {
  it("answers neither on a kept connection nor on a new one, and both once it is healed", async () => {
    const cuts = new Cuts();
    const server = http.createServer((request, response) => void response.end(`${request.url} `));
    const listener = await listenServer(server, "127.0.0.1:0", undefined, undefined, cuts);
    const address = parseSocketAddress(listener.address)!;
    using kept = await clientAt("127.0.0.2", address);
    using other = await clientAt("127.0.0.3", address);
    const ask = ({ socket }: TestClient, path: string) => socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    ask(kept, "/before");
    await kept.hears("/before ");
    cuts.set("drill", from("127.0.0.2"));
    using fresh = await clientAt("127.0.0.2", address);
    ask(kept, "/kept");
    ask(fresh, "/fresh");
    ask(other, "/other");
    await other.hears("/other ");
    expect([kept.heard().includes("/kept"), fresh.heard()]).toEqual([false, ""]);
    cuts.remove("drill");
    await Promise.all([kept.hears("/kept "), fresh.hears("/fresh ")]);
    server.closeAllConnections();
    await listener.close();
  });
});

describe("what a process sends itself", () => {
  afterEach(() => {
    for (const name of trafficCuts.names) trafficCuts.remove(name);
  });

  it("a dial to a peer that is cut off times out, and passes again once it is healed", async () => {
    await using server = await serverWith(new Cuts());
    const { host, port } = server;
    trafficCuts.set("drill", from(host));
    await expect(dial({ host, port, timeoutMs: 20 })).rejects.toMatchObject({ reason: "CONNECT_TIMEOUT" });
    const gone = new AbortController();
    const abandoned = dial({ host, port, timeoutMs: 60_000, signal: gone.signal });
    gone.abort();
    await expect(abandoned).rejects.toMatchObject({ reason: "CLIENT_GONE" });
    expect(server.accepted).toEqual([]);
    trafficCuts.remove("drill");
    (await dial({ host, port, timeoutMs: 5_000 })).destroy();
  });

  it("a connection that it has dialled goes silent", async () => {
    await using server = await serverWith(new Cuts());
    const { host, port } = server;
    const socket = await dial({ host, port, timeoutMs: 5_000 });
    let heard = "";
    socket.on("data", (bytes: Buffer) => (heard += String(bytes)));
    trafficCuts.set("drill", from(host));
    socket.write("held");
    using other = await clientAt("127.0.0.3", server);
    await roundTrip(other, "there");
    expect(server.accepted[0]?.bytesRead).toBe(0);
    trafficCuts.remove("drill");
    while (heard !== "held") await once(socket, "data");
    socket.destroy();
  });

  it("datagrams from and to a peer that is cut off are lost", async () => {
    const asked: string[] = [];
    await using listener = await listenUdp({
      address: "127.0.0.1:0",
      onDatagram(datagram, peer, self) {
        asked.push(String(datagram));
        self.send(datagram, datagram.length, peer);
        self.send(Buffer.from("to the other"), 12, { address: "127.0.0.2", port: cutOff.address().port });
      },
    });
    const { port } = parseSocketAddress(listener.address)!;
    const cutOff = dgram.createSocket("udp4").bind(0, "127.0.0.2");
    const other = dgram.createSocket("udp4").bind(0, "127.0.0.3");
    await Promise.all([once(cutOff, "listening"), once(other, "listening")]);
    const heard: string[] = [];
    cutOff.on("message", (bytes: Buffer) => heard.push(String(bytes)));
    trafficCuts.set("drill", from("127.0.0.2"));
    await new Promise((resolve) => cutOff.send("lost", port, "127.0.0.1", resolve));
    other.send("there", port, "127.0.0.1");
    await once(other, "message");
    expect([asked, heard]).toEqual([["there"], []]);
    trafficCuts.remove("drill");
    cutOff.send("again", port, "127.0.0.1");
    await once(cutOff, "message");
    expect(asked).toEqual(["there", "again"]);
    cutOff.close();
    other.close();
  });
});
