import { once } from "node:events";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Choice } from "#shared/endpoint/status.ts";
import { tlvUniqueId } from "#shared/proxy-protocol/proxy-protocol.ts";
import type { ProxyHeader } from "#shared/proxy-protocol/proxy-protocol.ts";
import { FakeClock } from "#test/support/fake-clock.ts";
import { nameOf } from "#test/support/tcp.ts";
import { Connection, Connections } from "./connections.ts";

const clock = new FakeClock();
const names = { listener: "127.0.0.1:7001", pool: "web" };
let client: net.Socket;
let socket: net.Socket;

beforeAll(async () => {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  client = net.connect({ port: (server.address() as net.AddressInfo).port, host: "127.0.0.1" });
  [[socket]] = (await Promise.all([once(server, "connection"), once(client, "connect")])) as [[net.Socket], unknown];
  server.close();
});
afterAll(() => {
  client.destroy();
  socket.destroy();
});

function headerWith(id: Uint8Array): ProxyHeader {
  return { version: "v2", command: "PROXY", tlvs: [{ type: tlvUniqueId, value: id }] };
}

function choice(address: string): Choice {
  const candidate = { address, name: address, zone: null, active: 0, weight: 1, reason: "OK", picked: true } as const;
  const picked = {
    pool: "web",
    balance: "random",
    address,
    name: address,
    zone: null,
    reason: "OK",
    active: 0,
  } as const;
  return { ...picked, candidates: [candidate] };
}

function add(connections: Connections): Connection {
  const connection = new Connection(socket, clock, names);
  connections.add(connection);
  return connection;
}

describe("the table of connections", () => {
  it("finds a connection by its downstream side, its own id and its unique id", () => {
    const connections = new Connections();
    const connection = add(connections);
    connection.introduce(headerWith(Buffer.from("request-17")));
    connections.indexNames(connection);
    for (const name of [nameOf(client), connection.id, "request-17"]) expect(connections.find(name)).toBe(connection);
    expect(connections.find("request-18")).toBeUndefined();
  });

  it("shows a unique id that is no text in hex", () => {
    const connections = new Connections();
    const connection = add(connections);
    connection.introduce(headerWith(Uint8Array.of(0, 0xff, 0x20)));
    connections.indexNames(connection);
    expect(connections.find("00ff20")).toBe(connection);
  });

  it("keeps the last 512 that closed, and finds the youngest of one address", () => {
    const connections = new Connections();
    const all = Array.from({ length: 600 }, () => add(connections));
    for (const connection of all) connections.close(connection, "OK");
    expect(connections.count).toBe(0);
    expect(all.filter(({ id }) => connections.find(id))).toEqual(all.slice(-512));
    expect(connections.find(nameOf(client))).toBe(all.at(-1));
  });

  it("keeps the candidates of the 512 youngest only, and the choice of all", () => {
    const connections = new Connections();
    const all = Array.from({ length: 513 }, () => {
      const connection = new Connection(socket, clock, names);
      connection.tried({ choice: choice("10.0.0.1:80"), outcome: "OK", tookMs: 1 });
      connections.add(connection);
      return connection;
    });
    expect(all[0]?.attempts).toMatchObject([{ choice: { address: "10.0.0.1:80", candidates: [] } }]);
    expect(all[1]?.attempts[0]?.choice.candidates).toHaveLength(1);
  });

  it("keeps the last 16 attempts of a connection", () => {
    const connection = new Connection(socket, clock, names);
    for (let i = 0; i < 20; i++)
      connection.tried({ choice: choice(`10.0.0.${i}:80`), outcome: "CONNECT_FAILED", tookMs: 1 });
    expect(connection.attempts.map((attempt) => attempt.choice.address)).toEqual(
      Array.from({ length: 16 }, (_, i) => `10.0.0.${i + 4}:80`),
    );
  });

  it("is idle once the last one is closed", async () => {
    const connections = new Connections();
    await connections.idle();
    const [one, two] = [add(connections), add(connections)];
    let isIdle = false;
    const idle = connections.idle().then(() => (isIdle = true));
    connections.close(one, "OK");
    await clock.advance(0);
    expect(isIdle).toBe(false);
    connections.close(two, "OK");
    await idle;
  });

  it("hands out each byte once", () => {
    const connection = new Connection(socket, clock, names);
    connection.bytesUp = 5;
    expect(connection.takeBytes()).toEqual({ up: 5, down: 0 });
    connection.bytesDown = 7;
    expect(connection.takeBytes()).toEqual({ up: 0, down: 7 });
  });
});
