import dgram from "node:dgram";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { balanceNames } from "#shared/config/schema/common.ts";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { listenUdp } from "#shared/net/listen-udp.ts";
import type { UdpListener } from "#shared/net/listen-udp.ts";
import { TestForwarder, quickChecks } from "#test/support/forwarder.ts";
import { nextEvent } from "#test/support/tcp.ts";

const host = "127.66.4.6"; // apart from whatever else listens on this machine

/** Says its name, whom it sees, and what came. */
function udpServer(name: string, address = `${host}:0`): Promise<UdpListener> {
  return listenUdp({
    address,
    onDatagram(datagram, from, own) {
      const bytes = Buffer.from(`${name} ${from.address} ${datagram.toString()}`);
      own.send(bytes, bytes.length, from);
    },
  });
}

class UdpClient implements AsyncDisposable {
  readonly #socket: dgram.Socket;
  readonly name: string;

  private constructor(socket: dgram.Socket) {
    this.#socket = socket;
    const { address, port } = socket.address();
    this.name = `${address}:${port}`;
  }

  static async open(from = "127.0.0.1"): Promise<UdpClient> {
    const socket = dgram.createSocket("udp4").bind(0, from);
    await once(socket, "listening");
    return new UdpClient(socket);
  }

  /** @returns the next answer, and whence it came */
  async ask(address: string, text: string): Promise<{ text: string; from: string }> {
    const { host: to = "", port = 0 } = parseSocketAddress(address) ?? {};
    const answer = once(this.#socket, "message");
    this.#socket.send(text, port, to);
    const [datagram, { address: host, port: source }] = (await answer) as [Buffer, dgram.RemoteInfo];
    return { text: datagram.toString(), from: `${host}:${source}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

function config(
  servers: readonly UdpListener[],
  more: { [key: string]: unknown; pool?: object; listener?: object } = {},
) {
  const { pool, listener, ...rest } = more;
  return {
    listeners: [{ address: `${host}:0`, protocol: "udp", pool: "telemetry", ...listener }],
    pools: { telemetry: { endpoints: servers.map(({ address }) => ({ address })), panicThreshold: 0, ...pool } },
    ...rest,
  };
}

describe("datagrams", () => {
  it("of one client go to one server, and answers come from the address that it knows", async () => {
    await using one = await udpServer("one");
    await using two = await udpServer("two");
    await using forwarder = await TestForwarder.start(config([one, two], { localAddress: host }));
    const { address } = forwarder.listener("telemetry");
    const names: string[] = [];
    for (let i = 0; i < 4; i++) {
      await using client = await UdpClient.open();
      const first = await client.ask(address, "a");
      expect(first.from).toBe(address);
      const [name = "", seen] = first.text.split(" ");
      expect(seen).toBe(host);
      expect((await client.ask(address, "b")).text).toBe(`${name} ${host} b`);
      names.push(name);
    }
    expect(names.toSorted()).toEqual(["one", "one", "two", "two"]);
  });

  it.each(balanceNames)("find a server by %s", async (balance) => {
    await using one = await udpServer("one");
    await using two = await udpServer("two");
    await using forwarder = await TestForwarder.start(config([one, two], { pool: { balance } }));
    const names = new Set<string>();
    for (let i = 0; i < 16; i++) {
      await using client = await UdpClient.open();
      names.add((await client.ask(forwarder.listener("telemetry").address, "x")).text.slice(0, 3));
    }
    expect(names.size).toBe(balance === "ip-hash" ? 1 : 2);
  });

  it("are shown and counted like connections", async () => {
    await using server = await udpServer("one");
    await using forwarder = await TestForwarder.start(config([server]));
    const { address } = forwarder.listener("telemetry");
    await using client = await UdpClient.open();
    await client.ask(address, "12345");
    expect(await forwarder.get("/connections?pool=telemetry")).toMatchObject({
      total: 1,
      connections: [{ client: client.name, server: server.address, bytesUp: 5, bytesDown: 19, mode: "userspace" }],
    });
    expect(forwarder.listener("telemetry").active).toBe(1);
    await forwarder.service.finish();
    expect(forwarder.metrics.value("watershed_l4_bytes_total", { listener: address, direction: "up" })).toBe(5);
    expect(forwarder.metrics.value("watershed_l4_bytes_total", { listener: address, direction: "down" })).toBe(19);
  });

  it("of a client that was silent for the idle limit begin anew", async () => {
    await using server = await udpServer("one");
    await using forwarder = await TestForwarder.start(config([server], { timeouts: { udpIdle: "20ms" } }));
    const { address } = forwarder.listener("telemetry");
    await using client = await UdpClient.open();
    await client.ask(address, "a");
    await forwarder.until(() => forwarder.listener("telemetry").active === 0);
    const labels = { listener: address, pool: "telemetry", reason: "OK" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(1);
    expect((await client.ask(address, "b")).text).toContain("one");
  });

  it("go to the next server where a port is closed, without being lost", async () => {
    await using closed = await udpServer("closed");
    await using alive = await udpServer("alive");
    await closed.close();
    await using forwarder = await TestForwarder.start(config([closed, alive]));
    for (let i = 0; i < 4; i++) {
      await using client = await UdpClient.open();
      expect((await client.ask(forwarder.listener("telemetry").address, `${i}`)).text).toMatch(/^alive .* \d$/);
    }
  });

  it("over the limits of a client go nowhere, and are counted", async () => {
    await using server = await udpServer("one");
    await using forwarder = await TestForwarder.start(config([server], { limits: { connectionsPerClient: 1 } }));
    const { address } = forwarder.listener("telemetry");
    await using first = await UdpClient.open();
    await using second = await UdpClient.open();
    await using other = await UdpClient.open("127.49.0.7");
    await first.ask(address, "a");
    void second.ask(address, "lost");
    expect((await other.ask(address, "b")).text).toContain("one");
    const labels = { listener: address, pool: "telemetry", reason: "LIMIT_REACHED" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(1);
  });

  it("move to another server when checks take theirs out, and find a closed port while nobody is up", async () => {
    const health = { ...quickChecks, type: "udp" };
    const one = await udpServer("one");
    const two = await udpServer("two");
    await using forwarder = await TestForwarder.start(config([one, two], { pool: { health } }));
    if (!forwarder.listener("telemetry").open) await nextEvent(forwarder.events, "listener_open");
    const { address } = forwarder.listener("telemetry");
    await using client = await UdpClient.open();
    const [first] = (await client.ask(address, "a")).text.split(" ");
    const down = nextEvent(forwarder.events, "endpoint_down");
    await (first === "one" ? one : two).close();
    await down;
    expect((await client.ask(address, "b")).text).toMatch(first === "one" ? /^two/ : /^one/);
    const closing = nextEvent(forwarder.events, "listener_closed");
    await Promise.all([one.close(), two.close()]);
    expect(await closing).toMatchObject({ reason: "NO_HEALTHY" });
    expect(forwarder.listener("telemetry").active).toBe(0);
  });
});
