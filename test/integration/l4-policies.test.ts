import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import {
  acceptProxyHeader,
  tlvAffinity,
  tlvEndpoint,
  tlvZone,
  writeProxyHeader,
} from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { TestForwarder } from "#test/support/forwarder.ts";
import { TcpServer, closed, connect, echo, greetAndEcho, nextEvent, outcome, readLine } from "#test/support/tcp.ts";

const host = "127.66.4.7"; // apart from whatever else listens on this machine

function config(servers: readonly TcpServer[], more: { listener?: object; pool?: object } = {}) {
  const endpoints = servers.map(({ address }, i) => ({ address, name: `web-${i + 1}`, zone: "eu-west-a" }));
  return {
    listeners: [{ address: `${host}:0`, pool: "web", ...more.listener }],
    pools: { web: { endpoints, panicThreshold: 0, ...more.pool } },
  };
}

describe("a queue", () => {
  const listener = { connectionsPerServer: 1, queue: { length: 1, timeout: "10s" } };

  it("holds a connection until a server has room, and sends one more away", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server], { listener }));
    const { address } = forwarder.listener("web");
    const first = await connect(address);
    await readLine(first);
    const waits = await connect(address);
    await forwarder.until(() => forwarder.listener("web").active === 2);
    const { host: to = "", port = 0 } = parseSocketAddress(address) ?? {};
    expect((await outcome(net.connect(port, to).on("error", () => {}))).end).toBe("reset");
    first.end();
    expect(await readLine(waits)).toBe("one");
  });

  it("lets nobody wait for longer than its time", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    const short = { ...listener, queue: { length: 1, timeout: "20ms" } };
    await using forwarder = await TestForwarder.start(config([server], { listener: short }));
    const { address } = forwarder.listener("web");
    await readLine(await connect(address));
    expect((await outcome(await connect(address))).end).toBe("reset");
  });
});

describe("connections of a server that drains", () => {
  const cases = [
    { name: "are left alone by default", onDrain: "keep", isReset: false },
    { name: "are reset at once", onDrain: "reset", isReset: true },
    { name: "are given a time", onDrain: { finishWithin: "20ms" }, isReset: true },
  ];
  it.each(cases)("$name", async ({ onDrain, isReset }) => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server], { listener: { onDrain } }));
    const client = await connect(forwarder.listener("web").address);
    await readLine(client);
    const empty = nextEvent(forwarder.events, "endpoint_empty");
    for (const pool of forwarder.service.pools()) pool.setEndpointState(server.address, "draining");
    if (isReset) expect((await outcome(client)).end).toBe("reset");
    else {
      client.write("still here\n");
      expect(await readLine(client)).toBe("still here");
      client.end();
    }
    // It says when it may be stopped.
    expect(await empty).toEqual({ pool: "web", endpoint: server.address, name: "web-1" });
  });
});

describe("PROXY headers", () => {
  const tlv = (header: ProxyHeader | undefined, type: number) => {
    const value = header?.tlvs.find((one) => one.type === type)?.value;
    return value && Buffer.from(value).toString();
  };

  it("tell a server which it is, where it stands, and what the router keeps together", async () => {
    const got = Promise.withResolvers<ProxyHeader>();
    await using server = await TcpServer.start((socket) => {
      acceptProxyHeader(socket, "v2", 5_000).then(got.resolve, got.reject);
    }, host);
    const listener = { proxyProtocol: { accept: "v2", send: "v2" } };
    await using forwarder = await TestForwarder.start(config([server], { listener }));
    const client = await connect(forwarder.listener("web").address);
    const tlvs = [{ type: tlvAffinity, value: Buffer.from("bucket-17") }];
    client.write(writeProxyHeader({ version: "v2", command: "PROXY", tlvs }));
    const header = await got.promise;
    expect([tlvEndpoint, tlvZone, tlvAffinity].map((type) => tlv(header, type))).toEqual([
      "web-1",
      "eu-west-a",
      "bucket-17",
    ]);
    client.destroy();
  });

  it("with an affinity keep one bucket on one server, whoever the client is", async () => {
    const servers = await Promise.all([1, 2, 3, 4].map((i) => TcpServer.start(greetAndEcho(`web-${i}`), host)));
    const listener = { proxyProtocol: { accept: "v2" } };
    await using forwarder = await TestForwarder.start(config(servers, { listener, pool: { balance: "ip-hash" } }));
    const ask = async (bucket: string, client: number) => {
      const socket = await connect(forwarder.listener("web").address);
      const source = { host: `203.0.113.${client}`, port: 4_711 };
      const tlvs = [{ type: tlvAffinity, value: Buffer.from(bucket) }];
      socket.write(writeProxyHeader({ version: "v2", command: "PROXY", source, destination: source, tlvs }));
      const name = await readLine(socket);
      socket.destroy();
      return name;
    };
    const names = new Set<string>();
    for (const bucket of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
      const same = new Set([await ask(bucket, 1), await ask(bucket, 2), await ask(bucket, 3)]);
      expect(same.size).toBe(1);
      for (const name of same) names.add(name);
    }
    expect(names.size).toBeGreaterThan(1);
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
});

describe("a server that closes every connection at once, without a byte", () => {
  it("is ejected, though it accepts", async () => {
    await using broken = await TcpServer.start((socket) => socket.end(), host);
    await using fine = await TcpServer.start(greetAndEcho("fine"), host);
    const pool = { outlier: { consecutiveFailures: 3, ejectFor: "1h", maxEjectedPercent: 50 } };
    await using forwarder = await TestForwarder.start(config([broken, fine], { pool }));
    const { address } = forwarder.listener("web");
    const ejected = nextEvent(forwarder.events, "endpoint_ejected");
    for (let i = 0; i < 6; i++) {
      const client = await connect(address);
      await once(client, "readable"); // a greeting, or an end
      client.destroy();
    }
    expect(await ejected).toMatchObject({ endpoint: broken.address, detail: "after UPSTREAM_RESET" });
    for (let i = 0; i < 4; i++) expect(await readLine(await connect(address))).toBe("fine");
  });
});

describe("long connections", () => {
  it("move to a server that came later, a few at a time", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    const listener = { rebalance: { olderThan: "0s", perSecond: 2 } };
    await using forwarder = await TestForwarder.start(config([one, two], { listener }));
    const [pool] = forwarder.service.pools();
    pool?.setEndpointState(two.address, "draining");
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(forwarder.listener("web").address)));
    await Promise.all(clients.map(readLine));
    const moved = clients.map((client, i) => closed(client).then(() => i));
    pool?.setEndpointState(two.address, "enabled");
    await Promise.race(moved);
    await forwarder.until(() => one.sockets.size <= 6);
    expect(one.sockets.size).toBe(6);
    const labels = { listener: forwarder.listener("web").address, pool: "web", reason: "REBALANCED" };
    await forwarder.until(() => forwarder.metrics.value("watershed_l4_connections_total", labels) === 2);
    for (const client of clients) client.destroy();
  });
});

describe("server names", () => {
  const psk = { psk: Buffer.alloc(16, 7), identity: "test" };
  const tlsServer = async (name: string) => {
    const server = tls.createServer({ ciphers: "PSK", pskCallback: () => psk.psk }, (socket) => {
      socket.on("error", () => {});
      socket.end(`${name} ${String(socket.servername)}\n`);
    });
    server.on("tlsClientError", () => {});
    return TcpServer.start((socket) => void server.emit("connection", socket), host);
  };
  const ask = (address: string, servername: string) => {
    const { host: to = "", port = 0 } = parseSocketAddress(address) ?? {};
    const options = { ciphers: "PSK", maxVersion: "TLSv1.2", pskCallback: () => psk } as const;
    return readLine(tls.connect({ host: to, port, servername, checkServerIdentity: () => undefined, ...options }));
  };

  it("lead to their pools through TLS that is not ended here; others to the listener's own", async () => {
    await using web = await tlsServer("web");
    await using api = await tlsServer("api");
    const sni = { "api.stream.test": "api" };
    await using forwarder = await TestForwarder.start({
      listeners: [{ address: `${host}:0`, pool: "web", sni }],
      pools: { web: { endpoints: [{ address: web.address }] }, api: { endpoints: [{ address: api.address }] } },
    });
    const { address } = forwarder.listener("web");
    expect(await ask(address, "api.stream.test")).toBe("api api.stream.test");
    expect(await ask(address, "www.stream.test")).toBe("web www.stream.test");
  });

  it("that are none reset the connection, and are counted", async () => {
    await using server = await TcpServer.start(echo, host);
    const listener = { sni: { "api.stream.test": "web" } };
    await using forwarder = await TestForwarder.start(config([server], { listener }));
    const { address } = forwarder.listener("web");
    for (const text of ["GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x00\x04\x02\x00\x00\x00", "\x16"]) {
      const client = await connect(address);
      client.end(text, "latin1");
      expect((await outcome(client)).end).toBe("reset");
    }
    await forwarder.service.finish();
    expect(server.accepted).toBe(0);
    const labels = { listener: address, pool: "web", reason: "CLIENT_HELLO_INVALID" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(3);
  });
});
