import fc from "fast-check";
import { once } from "node:events";
import type net from "node:net";
import { describe, expect, it } from "vitest";
import {
  acceptProxyHeader,
  readProxyHeader,
  tlvUniqueId,
  writeProxyHeader,
} from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { TestForwarder, quickChecks } from "#test/support/forwarder.ts";
import { TcpServer, connect, echo, nameOf, nextEvent, outcome, read } from "#test/support/tcp.ts";

const host = "127.66.4.2"; // apart from whatever else listens on this machine
const source = { host: "203.0.113.9", port: 4711 };
const destination = { host: "198.51.100.1", port: 443 };

/** A server that wants a PROXY header of this version, keeps it, and sends back what follows. */
async function proxyServer(version: "v1" | "v2", got: ProxyHeader[]): Promise<TcpServer> {
  return TcpServer.start((socket) => void keepHeader(socket, version, got), host);
}

async function keepHeader(socket: net.Socket, version: "v1" | "v2", got: ProxyHeader[]): Promise<void> {
  try {
    got.push(await acceptProxyHeader(socket, version, 5_000));
    echo(socket);
  } catch {
    socket.destroy();
  }
}

function config(servers: readonly TcpServer[], proxyProtocol: object, pool: object = {}): Record<string, unknown> {
  return {
    listeners: [{ address: `${host}:0`, pool: "api", proxyProtocol }],
    pools: { api: { endpoints: servers.map(({ address }) => ({ address })), ...pool } },
  };
}

function uniqueIdOf(header: ProxyHeader | undefined): string | undefined {
  const value = header?.tlvs.find(({ type }) => type === tlvUniqueId)?.value;
  return value && Buffer.from(value).toString();
}

describe.each(["v1", "v2"] as const)("a listener that sends %s", (version) => {
  it("tells the server who the client is", async () => {
    const got: ProxyHeader[] = [];
    await using server = await proxyServer(version, got);
    await using forwarder = await TestForwarder.start(config([server], { send: version }));
    const { address } = forwarder.listener("api");
    const client = await connect(address, "127.49.0.7");
    const name = nameOf(client);
    client.end("hello");
    expect(await outcome(client)).toEqual({ bytes: Buffer.from("hello"), end: "end" });
    const [header] = got;
    expect(header).toMatchObject({ version, command: "PROXY", source: { host: "127.49.0.7" } });
    expect(`${header?.source?.host}:${header?.source?.port}`).toBe(name);
    expect(`${header?.destination?.host}:${header?.destination?.port}`).toBe(address);
    const { connection } = (await forwarder.service.findDecision(name)) as { connection: string };
    expect(uniqueIdOf(header)).toBe(version === "v2" ? connection : undefined);
  });

  it("checks its servers with a LOCAL header of that version", async () => {
    const checked = Promise.withResolvers<ProxyHeader>();
    await using server = await TcpServer.start((socket) => {
      acceptProxyHeader(socket, version, 5_000).then(checked.resolve, checked.reject);
      socket.once("end", () => socket.end());
    }, host);
    await using forwarder = await TestForwarder.start(config([server], { send: version }, { health: quickChecks }));
    expect(await checked.promise).toMatchObject({ version, command: "LOCAL" });
    if (!forwarder.listener("api").open) await nextEvent(forwarder.events, "listener_open");
  });
});

describe.each(["v1", "v2"] as const)("a listener that accepts %s", (version) => {
  it("takes the client from the header, and passes header and bytes on", async () => {
    const got: ProxyHeader[] = [];
    await using server = await proxyServer("v2", got);
    await using forwarder = await TestForwarder.start(config([server], { accept: version, send: "v2" }));
    const client = await connect(forwarder.listener("api").address);
    const name = nameOf(client);
    const tlvs = version === "v2" ? [{ type: tlvUniqueId, value: Buffer.from("request-17") }] : [];
    const header = writeProxyHeader({ version, command: "PROXY", source, destination, tlvs });
    client.end(Buffer.concat([header, Buffer.from("hello")]));
    expect((await outcome(client)).bytes.toString()).toBe("hello");
    expect(got).toMatchObject([{ version: "v2", command: "PROXY", source, destination }]);
    const decision = await forwarder.service.findDecision(name);
    expect(decision).toMatchObject({ client: "203.0.113.9:4711", downstream: name, bytesUp: 5, bytesDown: 5 });
    if (version === "v2") expect(await forwarder.service.findDecision("request-17")).toEqual(decision);
    expect(uniqueIdOf(got[0])).toBe(version === "v2" ? "request-17" : decision?.["connection"]);
  });

  it("takes it byte by byte", async () => {
    await using server = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([server], { accept: version }));
    const client = await connect(forwarder.listener("api").address);
    const header = writeProxyHeader({ version, command: "PROXY", source, destination, tlvs: [] });
    for (const byte of Buffer.concat([header, Buffer.from("hello")]))
      await new Promise((resolve) => client.write(Uint8Array.of(byte), resolve));
    expect((await read(client, 5)).toString()).toBe("hello");
    client.destroy();
  });

  it("resets whoever comes without, and forwards nothing", async () => {
    await using server = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([server], { accept: version }));
    const { address } = forwarder.listener("api");
    for (const bytes of [
      "GET / HTTP/1.1\r\n\r\n",
      "PROXY TCP4 1.2.3.4 1.2.3.4 x x\r\n",
      "\r\n\r\n\0\r\nQUIT\nxxxxxxxx",
    ]) {
      const client = await connect(address);
      client.write(bytes);
      expect((await outcome(client)).end).toBe("reset");
    }
    const early = await connect(address);
    early.end("PROXY");
    if (version === "v1") expect((await outcome(early)).end).toBe("reset");
    early.destroy();
    await forwarder.service.finish();
    expect(server.accepted).toBe(0);
    const labels = { listener: address, pool: "api", reason: "PROXY_HEADER_INVALID" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(4);
  });
});

describe("LOCAL connections", () => {
  it("see every server, whatever the algorithm, and stay LOCAL", async () => {
    const got: ProxyHeader[] = [];
    await using one = await proxyServer("v2", got);
    await using two = await proxyServer("v2", got);
    const proxyProtocol = { accept: "v2", send: "v2" };
    await using forwarder = await TestForwarder.start(config([one, two], proxyProtocol, { balance: "ip-hash" }));
    const { address } = forwarder.listener("api");
    const talk = async (header: ProxyHeader) => {
      const client = await connect(address);
      client.end(Buffer.concat([writeProxyHeader(header), Buffer.from("x")]));
      await outcome(client);
    };
    for (let i = 0; i < 6; i++) await talk({ version: "v2", command: "PROXY", source, destination, tlvs: [] });
    expect([one.accepted, two.accepted].toSorted((a, b) => a - b)).toEqual([0, 6]);
    for (let i = 0; i < 6; i++) await talk({ version: "v2", command: "LOCAL", tlvs: [] });
    expect([one.accepted, two.accepted].toSorted((a, b) => a - b)).toEqual([3, 9]);
    expect(got.slice(6).map(({ command }) => command)).toEqual(Array(6).fill("LOCAL"));
  });
});

describe("random bytes", () => {
  it.each(["v1", "v2"] as const)("to a %s listener are never forwarded, and it goes on", async (version) => {
    await using server = await TcpServer.start(echo, host);
    await using forwarder = await TestForwarder.start(config([server], { accept: version }));
    const { address } = forwarder.listener("api");
    const begins = fc.constantFrom("", "PROXY ", "PROXY TCP4 ", "\r\n\r\n\0\r\nQUIT\n", "\r\n\r\n\0\r\nQUIT\n!\x11");
    const bytes = fc
      .tuple(begins, fc.uint8Array({ minLength: 1, maxLength: 200 }))
      .map(([begin, rest]) => Buffer.concat([Buffer.from(begin, "latin1"), rest]))
      .filter((all) => readProxyHeader(all, version).state !== "done");
    await fc.assert(
      fc.asyncProperty(bytes, fc.boolean(), async (all, leaves) => {
        const client = await connect(address);
        const end = outcome(client);
        if (leaves) client.write(all, () => client.resetAndDestroy());
        else client.end(all);
        expect((await end).end).toBe("reset");
      }),
      { numRuns: 100 },
    );
    expect(server.accepted).toBe(0);
    const client = await connect(address);
    client.write(writeProxyHeader({ version, command: "PROXY", source, destination, tlvs: [] }));
    client.write("fine");
    expect((await read(client, 4)).toString()).toBe("fine");
    client.end();
    await once(client, "end");
    await forwarder.service.finish();
    expect(forwarder.listener("api").active).toBe(0);
  });
});
