import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { createMetrics } from "#shared/observe/metrics.ts";
import { AccessList } from "#l7-router/access/access-list.ts";
import { Gate, checkCaps } from "./gate.ts";
import type { ConnectionCaps, Entry } from "./gate.ts";

class FakeSocket extends EventEmitter {
  readonly remoteAddress: string;
  wasReset = false;

  constructor(remoteAddress: string) {
    super();
    this.remoteAddress = remoteAddress;
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.emit("close");
  }
}

function gateWith(caps: ConnectionCaps, closedTo: () => AccessList | undefined = () => undefined) {
  const metrics = createMetrics({ service: "test", node: "test" });
  const gate = new Gate(metrics, closedTo);
  gate.caps = caps;
  const enter = (address: string) => {
    const socket = new FakeSocket(address);
    return { socket, entry: gate.enter(socket as unknown as Socket, "listener") };
  };
  return { gate, metrics, enter };
}

const told = (entry: Entry) => (typeof entry === "string" ? entry : entry.status);

describe("the gate", () => {
  it("takes a client's connections up to its cap, tells 16 more why they must go, and resets the others", () => {
    const { enter } = gateWith({ connectionsPerClient: 2 });
    const entries = Array.from({ length: 20 }, () => told(enter("192.0.2.1").entry));
    expect(entries).toEqual(["taken", "taken", ...Array<number>(16).fill(429), "reset", "reset"]);
    expect(told(enter("192.0.2.2").entry)).toBe("taken");
  });

  it("takes one again when one has left", () => {
    const { gate, enter } = gateWith({ connectionsPerClient: 1 });
    const [first, second] = [enter("192.0.2.1"), enter("192.0.2.1")];
    expect([first, second].map(({ entry }) => told(entry))).toEqual(["taken", 429]);
    for (const { socket } of [first, second]) socket.emit("close");
    expect(gate.openCount).toBe(0);
    expect(told(enter("192.0.2.1").entry)).toBe("taken");
  });

  it.each([
    { name: "an IPv6 client is its /64", addresses: ["2001:db8::1", "2001:db8::ffff:2"], entries: ["taken", 429] },
    { name: "another /64 is another", addresses: ["2001:db8::1", "2001:db8:0:1::1"], entries: ["taken", "taken"] },
    {
      name: "a mapped IPv4 address is that one",
      addresses: ["192.0.2.1", "::ffff:192.0.2.1"],
      entries: ["taken", 429],
    },
  ])("$name", ({ addresses, entries }) => {
    const { enter } = gateWith({ connectionsPerClient: 1 });
    expect(addresses.map((address) => told(enter(address).entry))).toEqual(entries);
  });

  it("has no cap for trusted peers, but that of all", () => {
    const { gate, enter } = gateWith({ connectionsPerClient: 1, connections: 3 });
    gate.isTrusted = (address) => address === "10.0.0.1";
    expect(Array.from({ length: 4 }, () => told(enter("10.0.0.1").entry))).toEqual(["taken", "taken", "taken", 503]);
  });

  it("tells 64 over the cap of all to go, and resets the others", () => {
    const { enter } = gateWith({ connections: 1 });
    const entries = Array.from({ length: 67 }, (_, i) => told(enter(`192.0.2.${i}`).entry));
    expect(entries).toEqual(["taken", ...Array<number>(64).fill(503), "reset", "reset"]);
  });

  it("counts what it refuses, by the reason", async () => {
    const { metrics, enter } = gateWith({ connectionsPerClient: 1, connections: 2 });
    for (const address of ["192.0.2.1", "192.0.2.1", "192.0.2.3"]) enter(address);
    const text = await metrics.render();
    expect(text).toMatch(/^watershed_http_connections_refused_total\{by="client",.*\} 1$/m);
    expect(text).toMatch(/^watershed_http_connections_refused_total\{by="all",.*\} 1$/m);
  });

  it("resets denied addresses, and those that become so while they are here, but no trusted peer", () => {
    let list: AccessList | undefined = new AccessList({ deny: ["192.0.2.1"] }, undefined);
    const { gate, enter } = gateWith({}, () => list);
    gate.isTrusted = (address) => address === "10.0.0.1";
    expect(told(enter("192.0.2.1").entry)).toBe("reset");
    const [stays, goes, trusted] = ["192.0.2.2", "192.0.2.3", "10.0.0.1"].map((address) => enter(address).socket);
    list = new AccessList({ deny: ["192.0.2.3", "10.0.0.1"] }, undefined);
    gate.clear();
    expect([stays, goes, trusted].map((socket) => socket?.wasReset)).toEqual([false, true, false]);
    expect(gate.openCount).toBe(2);
  });
});

describe("the cap of all connections", () => {
  it.each([undefined, 1, 100])("may be %s where the file descriptors suffice for 100", (connections) => {
    expect(() => checkCaps({ connections }, 100)).not.toThrow();
  });

  it("must not be more than they suffice for", () => {
    expect(() => checkCaps({ connections: 101 }, 100)).toThrow(
      "limits.connections: 101 connections need more file descriptors than this process may have; they suffice for 100",
    );
  });
});
