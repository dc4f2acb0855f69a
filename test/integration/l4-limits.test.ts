import net from "node:net";
import { describe, expect, it } from "vitest";
import { parseSocketAddress } from "#shared/core/cidr.ts";
import { TestForwarder, quickChecks } from "#test/support/forwarder.ts";
import { TcpServer, connect, greetAndEcho, nameOf, nextEvent, outcome, readLine } from "#test/support/tcp.ts";

const host = "127.66.4.5"; // apart from whatever else listens on this machine

function config(servers: readonly TcpServer[], more: { listener?: object; pool?: object; limits?: object } = {}) {
  const endpoints = servers.map(({ address }) => ({ address }));
  return {
    listeners: [{ address: `${host}:0`, pool: "web", ...more.listener }],
    pools: { web: { endpoints, panicThreshold: 0, ...more.pool } },
    ...(more.limits && { limits: more.limits }),
  };
}

/** How a connection ends that may be reset before its client has noticed that it was made. */
async function endOf(address: string): Promise<string> {
  const { host = "", port = 0 } = parseSocketAddress(address) ?? {};
  return (await outcome(net.connect(port, host).on("error", () => {}))).end;
}

describe("limits of one client", () => {
  it("reset what is over the number at a time, and let others in", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(config([server], { limits: { connectionsPerClient: 2 } }));
    const { address } = forwarder.listener("web");
    const [first, second] = [await connect(address), await connect(address)];
    for (const client of [first, second]) expect(await readLine(client)).toBe("one");
    expect(await endOf(address)).toBe("reset");
    expect(await readLine(await connect(address, "127.49.0.7"))).toBe("one");
    first.end();
    await outcome(first);
    await forwarder.until(() => forwarder.listener("web").active === 2);
    expect(await readLine(await connect(address))).toBe("one");
    const labels = { listener: address, pool: "web", reason: "LIMIT_REACHED" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(1);
  });

  it("hold for new ones a second", async () => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    const limits = { connectionsPerSecondPerClient: 1, burst: 2 };
    await using forwarder = await TestForwarder.start(config([server], { limits }));
    const { address } = forwarder.listener("web");
    for (let i = 0; i < 2; i++) expect(await readLine(await connect(address))).toBe("one");
    expect(await endOf(address)).toBe("reset");
  });
});

describe("a server that is full", () => {
  it("is passed over, nothing is held against it, and nobody left means a reset", async () => {
    await using one = await TcpServer.start(greetAndEcho("one"), host);
    await using two = await TcpServer.start(greetAndEcho("two"), host);
    const pool = { balance: "ip-hash", outlier: { consecutiveFailures: 1, maxEjectedPercent: 100 } };
    await using forwarder = await TestForwarder.start(
      config([one, two], { listener: { connectionsPerServer: 1 }, pool }),
    );
    const { address } = forwarder.listener("web");
    const clients = [await connect(address), await connect(address)];
    expect((await Promise.all(clients.map(readLine))).toSorted()).toEqual(["one", "two"]);
    expect(await endOf(address)).toBe("reset");
    const labels = { listener: address, pool: "web", reason: "LIMIT_REACHED" };
    expect(forwarder.metrics.value("watershed_l4_connections_total", labels)).toBe(1);
    expect([...forwarder.service.pools()].map(({ eligibleCount }) => eligibleCount)).toEqual([2]);
  });
});

describe("connections of a server that checks take out", () => {
  it.each(["keep", "reset"] as const)("with onDown: %s", async (onDown) => {
    await using server = await TcpServer.start(greetAndEcho("one"), host);
    await using forwarder = await TestForwarder.start(
      config([server], { listener: { onDown }, pool: { health: quickChecks } }),
    );
    if (!forwarder.listener("web").open) await nextEvent(forwarder.events, "listener_open");
    const client = await connect(forwarder.listener("web").address);
    await readLine(client);
    const name = nameOf(client);
    const down = nextEvent(forwarder.events, "endpoint_down");
    await server.stop();
    await down;
    if (onDown === "reset") expect((await outcome(client)).end).toBe("reset");
    else client.write("still here\n", () => client.end());
    if (onDown === "keep") expect(await readLine(client)).toBe("still here");
    await forwarder.service.finish();
    const reason = onDown === "keep" ? "OK" : "UNHEALTHY";
    expect(await forwarder.service.findDecision(name)).toMatchObject({ reason });
  });
});
